"""Whole answer files in the shapes that people have them in, each with its verdict in a comment at its head.

The comment is "lint: SYSTEM FIRMWARE: VERDICT". The verdict is 'clean' (nothing is said), 'error: REGEX' (an error
matches), or 'warning: REGEX' (a warning matches, and there is no error).
"""

import re
from pathlib import Path

import pytest

from imgpipe.answer_text import answer_text
from imgpipe.os_family import Fault
from imgpipe.plugins import Plugins

FOLDER = Path(__file__).parent / "files"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*"))
VERDICT = re.compile(r"lint: (\S+) (bios|uefi): (clean|(?:error|warning): .+?)(?: -->)?\r?$", re.MULTILINE)


@pytest.fixture(scope="module")
def loaded():
    return Plugins.load()


@pytest.mark.parametrize("name", FILES)
def test_an_answer_file_is_judged_as_its_installer_would(loaded, name):
    data = (FOLDER / name).read_bytes()
    system, firmware, verdict = VERDICT.search(data.decode("latin-1")).groups()
    family, known = loaded.system(system)
    text = answer_text(data)
    found = (text,) if isinstance(text, Fault) else family.lint(text, known, firmware)
    errors = [fault.text for fault in found if fault.severity == "error"]
    warnings = [fault.text for fault in found if fault.severity == "warning"]
    kind, _, wanted = verdict.partition(": ")
    if kind == "error":
        assert any(re.search(wanted, text) for text in errors), (errors, warnings)
    else:
        assert errors == []
        assert (warnings == []) if kind == "clean" else any(re.search(wanted, text) for text in warnings), warnings


@pytest.mark.parametrize("family", ["autoinstall", "kickstart", "preseed", "unattend"])
def test_each_family_has_files_of_every_verdict(family):
    files = [name for name in FILES if name.startswith(f"{family}/")]
    heads = [(FOLDER / name).read_bytes()[:300].decode("latin-1") for name in files]
    assert {VERDICT.search(head)[3].partition(":")[0] for head in heads} == {"clean", "error", "warning"}
    assert len(FILES) >= 60
