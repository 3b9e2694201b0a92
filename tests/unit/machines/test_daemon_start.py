"""Of two who start libvirt's daemon at once one is refused, and both go on with the one that runs."""

import socket

import pytest

from imgpipe.adapters import libvirt_daemon
from imgpipe.adapters.installed import Daemons
from imgpipe.errors import HostError


@pytest.fixture
def refused(monkeypatch):
    """A daemon that cannot have its pid file; what happens at the try is up to the test."""
    tries = []

    def run(*_words, **_options):
        for happen in tries:
            happen()
        raise HostError("The program 'libvirtd' failed with exit code 1.", details=("Unable to obtain pidfile.",))

    monkeypatch.setattr(libvirt_daemon.process, "run", run)
    monkeypatch.setattr(libvirt_daemon, "daemons", lambda: Daemons("libvirtd", ("virtlogd",)))
    monkeypatch.setattr(libvirt_daemon, "_PATIENCE_SECONDS", 0.3)
    return tries


def test_one_that_somebody_else_started_meanwhile_will_do(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(libvirt_daemon, "_RUN", tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        refused += [lambda: server.bind(str(tmp_path / "libvirt-sock")), server.listen]
        assert libvirt_daemon.start_system_daemon() == "libvirtd"


def test_where_none_answers_the_failure_is_told(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(libvirt_daemon, "_RUN", tmp_path)
    with pytest.raises(HostError, match="exit code 1"):
        libvirt_daemon.start_system_daemon()


MODULAR = Daemons("virtqemud", ("virtstoraged", "virtnetworkd", "virtlogd", "virtproxyd"))


def test_the_drivers_of_a_modular_libvirt_are_started_too(tmp_path, monkeypatch):
    started, servers = [], []

    def run(program, *_words, **_options):
        started.append(program)
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / f"{program}-sock"))
        server.listen()
        servers.append(server)

    monkeypatch.setattr(libvirt_daemon, "_RUN", tmp_path)
    monkeypatch.setattr(libvirt_daemon, "daemons", lambda: MODULAR)
    monkeypatch.setattr(libvirt_daemon.process, "run", run)
    run("virtqemud")
    assert not libvirt_daemon.system_daemon_answers()
    assert libvirt_daemon.start_system_daemon() == "virtqemud"
    assert started == ["virtqemud", "virtstoraged", "virtnetworkd"]
    assert libvirt_daemon.system_daemon_answers()
    for server in servers:
        server.close()


def test_without_any_daemon_none_answers_and_the_error_says_what_installs_one(monkeypatch):
    monkeypatch.setattr(libvirt_daemon, "daemons", lambda: None)
    assert not libvirt_daemon.system_daemon_answers()
    with pytest.raises(HostError) as raised:
        libvirt_daemon.start_system_daemon()
    assert "imgpipe host setup" in raised.value.hint
