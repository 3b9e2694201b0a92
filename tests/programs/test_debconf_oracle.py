"""debconf's own program judges the form of preseed files as our lint does."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from imgpipe.os_family import System
from imgpipe.sizes import GIB
from imgpipe_debian.lint import lint

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(shutil.which("debconf-set-selections") is None, reason="debconf is not installed"),
]
SYSTEM = System(name="debian13", title="Debian 13", memory=GIB)
FORM = ("an owner, a question", "is not a type", "is the owner missing")


def complains(text):
    """Say whether debconf finds a fault; it needs no database to check."""
    run = subprocess.run(
        ["debconf-set-selections", "--checkonly"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    return run.returncode != 0 or "warning" in run.stderr or "error" in run.stderr


@pytest.mark.parametrize(
    "line",
    [
        "d-i partman/confirm boolean true",
        "  d-i   partman/confirm   boolean true",
        "d-i netcfg/get_domain string",
        "d-i netcfg/get_domain string ",
        "# d-i nothing",
        "d-i a/b string one \\\n  two",
        "d-i a/b seen true",
        "d-i partman/confirm",
        "d-i",
        "d-i partman/confirm bool true",
    ],
)
def test_debconf_and_lint_agree_on_the_form(line):
    ours = [fault.text for fault in lint(line + "\n", SYSTEM, "bios")]
    assert any(part in text for text in ours for part in FORM) == complains(line + "\n")
