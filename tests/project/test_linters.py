"""The linters are tests."""

import os
import sys

import pytest

from imgpipe.adapters import process
from imgpipe.settings import checkout

ROOT = checkout()
pytestmark = pytest.mark.programs


def lint(*argv):
    process.run(sys.executable, "-m", *argv, cwd=ROOT, timeout_s=600)


def test_ruff_finds_nothing():
    lint("ruff", "check", "--quiet", "pipeline", "plugins", "tests")


def test_the_code_is_formatted():
    lint("ruff", "format", "--check", "--quiet", "pipeline", "plugins", "tests")


def test_the_types_hold():
    lint("mypy")


def test_the_types_of_the_selinux_tests_hold():
    """They are run by hand alone, and what runs inside the host fails after ten minutes."""
    folders = ("tests", "tests/selinux", "pipeline", "plugins")
    environment = {"MYPYPATH": os.pathsep.join(str(ROOT / name) for name in folders)}
    process.run(
        sys.executable, "-m", "mypy", "--follow-imports=silent", "tests/selinux",
        cwd=ROOT, timeout_s=600, env=environment,
    )  # fmt: skip
