"""What the programs that imgpipe starts are given: no secret of its environment, and what they said has none."""

import logging
import os

import pytest

from imgpipe.adapters import process
from imgpipe.environment import ROOT_PASSWORD
from imgpipe.errors import HostError

pytestmark = pytest.mark.programs


def test_a_child_does_not_inherit_the_password(monkeypatch):
    monkeypatch.setenv(ROOT_PASSWORD, "hunter22")
    heard = []
    process.follow("env", heard=heard.append)
    for text in (process.run("env"), "".join(heard)):
        assert "PATH=" in text
        assert "hunter22" not in text
    assert os.environ[ROOT_PASSWORD] == "hunter22"


def test_neither_log_nor_error_of_a_program_has_a_login(caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(HostError) as caught:
        process.run("sh", "-c", "echo fetching http://me:hunter22@h/?hunter22 >&2; exit 3")
    assert len(caught.value.details) == 2
    assert "hunter22" not in f"{caught.value.details} {caplog.text}"
    assert "fetching http://(secret)@h/" in caught.value.details[-1]
