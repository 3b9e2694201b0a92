"""What the pages have people type to virsh is there, with the options that stand behind it."""

import re
import shlex
import subprocess

import pytest

from imgpipe.settings import checkout

pytestmark = pytest.mark.programs

PAGES = sorted((checkout() / "docs").glob("*.md"))
VIRSH = re.compile(r"^    (?:sudo )?(virsh .+)$|`(virsh [^`]+)`", re.MULTILINE)
FOUND = sorted({one or other for page in PAGES for one, other in VIRSH.findall(page.read_text(encoding="utf-8"))})


@pytest.mark.parametrize("line", FOUND)
def test_a_documented_command_of_virsh_and_its_options_are_there(line):
    words = shlex.split(line, comments=True)[1:]
    while words[:1] in (["-c"], ["--connect"]):
        words = words[2:]
    name, given = words[0], [word for word in words[1:] if word.startswith("--")]
    told = subprocess.run(["virsh", "help", name], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert not [option for option in given if option not in told.stdout]


def test_there_are_commands_to_try():
    assert len(FOUND) > 12
