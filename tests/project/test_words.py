"""One word for one thing, where a newcomer reads: a template is no image there, and an ISO no medium."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/recipes.md", "docs/import-and-clone.md", "docs/with-virsh.md")
OTHER_WORDS = re.compile(r"\b(?:golden )?images?\b|\bmedi(?:um|a)\b", re.IGNORECASE)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_for_newcomers_says_template_and_iso(page):
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    prose = [line for line in text.splitlines() if not line.startswith(("    ", "      "))]
    said = [line for line in prose if OTHER_WORDS.search(re.sub(r"`[^`]*`|\]\([^)]*\)", "", line))]
    # The words' own explanation names the other one.
    assert [line for line in said if not line.startswith("| ISO | the installation medium")] == []


def test_the_words_that_the_readme_needs_are_explained():
    words = re.findall(r"^\| ([\w, ]+) \| ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"template", "ISO", "recipe", "answer file", "seed", "sysprep", "manifest, SBOM", "fleet, group"} <= set(
        words
    )


def test_every_page_is_reached_from_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    reached = set(re.findall(r"docs/([\w-]+\.md)", text))
    for page in list(reached):
        reached |= set(re.findall(r"\(([\w-]+\.md)", (ROOT / "docs" / page).read_text(encoding="utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= reached
