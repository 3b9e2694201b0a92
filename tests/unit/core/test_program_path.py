"""Programs of administrators are found by users whose PATH has not their folders."""

import pytest

from imgpipe import environment
from imgpipe.adapters import process


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    (tmp_path / "sbin").mkdir()
    program = tmp_path / "sbin" / "imgpipe-test-daemon"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return program


def test_a_daemon_off_path_is_installed_and_inherits_the_way_to_it(daemon, monkeypatch):
    assert not process.is_installed(daemon.name)
    monkeypatch.setattr(environment, "_ADMINISTRATORS", (str(daemon.parent),))
    assert process.which(daemon.name) == str(daemon)
    assert environment.of_children()["PATH"] == f"/usr/bin:/bin:{daemon.parent}"


def test_what_path_has_comes_first_and_once(monkeypatch):
    monkeypatch.setenv("PATH", "/opt/bin:/usr/sbin")
    assert environment.program_path() == "/opt/bin:/usr/sbin:/usr/local/sbin:/sbin"
