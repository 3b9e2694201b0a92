"""What an installation gets: everything that the program reads, and every page that it points to."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from imgpipe.settings import checkout

ROOT = checkout()
POINTED_TO = re.compile(r"docs/([a-z0-9-]+(?:/[a-z0-9-]+)*\.md)")
pytestmark = pytest.mark.programs


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel of a copy: nothing is left in the checkout, and nothing of it is taken that git ignores."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if name.startswith("tests/") or not (ROOT / name).is_file():
            continue
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "source" / name)
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(argv, cwd=folder / "source", capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel):
    return set(ZipFile(wheel).namelist())


def test_every_page_of_the_manual_is_in_the_wheel(names):
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert pages
    assert {f"imgpipe/{page}" for page in pages} <= names


def test_pages_that_the_program_points_to_are_there(names):
    sources = [path for top in ("pipeline", "plugins") for path in (ROOT / top).rglob("*.py")]
    pages = {page for path in sources for page in POINTED_TO.findall(path.read_text(encoding="utf-8"))}
    assert "fleets.md" in pages
    # rpm has a manual of its own.
    assert {f"imgpipe/docs/{page}" for page in pages if not page.startswith("manual/")} <= names


def test_recipes_and_their_schema_are_in_the_wheel(names):
    recipes = {path.name for path in (ROOT / "recipes").iterdir()}
    assert "recipe.schema.json" in recipes
    assert {f"imgpipe/recipes/{name}" for name in recipes} <= names


def test_each_file_beside_the_code_is_in_the_wheel(names):
    """Templates, scripts, lists: what is no Python is forgotten most easily."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    inside = {name.partition("/")[2] for name in listed if name.startswith(("pipeline/", "plugins/"))}
    assert inside - names == set()


def test_nothing_else_is_in_the_wheel(names):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {Path(one).name for one in settings["packages"]}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", "~"))]


def test_an_installed_program_points_to_the_page_in_its_own_folder(wheel, tmp_path):
    ZipFile(wheel).extractall(tmp_path)
    script = "import sys; sys.path.insert(0, sys.argv[1]); from imgpipe import manual; print(manual.page('fleets.md'))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / "imgpipe/docs/fleets.md")


def test_in_a_checkout_a_page_is_named_as_it_lies_there():
    from imgpipe import manual

    assert manual.page("fleets.md") == "docs/fleets.md"
