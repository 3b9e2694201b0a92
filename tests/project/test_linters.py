"""The linters are tests."""

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
