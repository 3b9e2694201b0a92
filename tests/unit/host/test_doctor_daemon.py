"""What comes of asking libvirt, and of launching, where a part of it does not answer."""

import pytest

from imgpipe.adapters import installed
from imgpipe.adapters.installed import Daemons
from imgpipe.errors import HostError
from imgpipe.host.doctor import daemon
from imgpipe.host.doctor.accelerator import AcceleratorFacts


class Answering:
    """A libvirt that answers, and runs machines by emulation."""

    local = True

    def close(self):
        """Nothing to end."""

    def try_accelerator(self):
        return "tcg"


@pytest.fixture
def halved(monkeypatch):
    """A daemon of machines without those of its pools and networks."""

    def refuse(_hypervisor):
        raise HostError("libvirt cannot list its pools.", details=["no virtstoraged"])

    monkeypatch.setattr(daemon, "look", lambda *_: Answering())
    monkeypatch.setattr(daemon, "inventory", refuse)
    monkeypatch.setattr(daemon, "_SYSTEMD", daemon.Path("/"))


def test_a_modular_libvirt_without_its_pools_gets_their_sockets_started(halved, monkeypatch):
    monkeypatch.setattr(installed, "daemons", lambda: Daemons("virtqemud", ("virtstoraged", "virtlogd")))
    (found,) = daemon.look_at("qemu:///system", None)
    assert found.state == "fail"
    assert "no virtstoraged" in found.meaning
    assert "systemctl enable --now virtstoraged.socket" in found.commands


def test_any_other_refusal_of_libvirt_is_passed_on(halved, monkeypatch):
    monkeypatch.setattr(installed, "daemons", lambda: Daemons("libvirtd", ("virtlogd",)))
    with pytest.raises(HostError, match="cannot list"):
        tuple(daemon.look_at("qemu:///system", None))


def test_an_appliance_that_does_not_start_fails_with_the_reason_and_what_shows_more(halved, monkeypatch, tmp_path):
    def refuse(_accelerator, _folder):
        raise HostError("The appliance does not start.", hint="Run 'libguestfs-test-tool'.", details=["no kernel"])

    monkeypatch.setattr(installed, "daemons", lambda: Daemons("virtqemud", ("virtstoraged", "virtlogd")))
    monkeypatch.setattr(daemon, "connect", lambda *_: Answering())
    monkeypatch.setattr(daemon.guest, "try_appliance", refuse)
    known = AcceleratorFacts(device="opens", cpu_flags=frozenset())
    found = {one.name: one for one in daemon.launch("qemu:///system", None, tmp_path, known)}
    assert found["accelerator"].state == "warn"
    assert "broken" in found["accelerator"].meaning
    assert found["libguestfs launch"].state == "fail"
    assert "no kernel" in found["libguestfs launch"].meaning
    assert found["libguestfs launch"].commands == ("libguestfs-test-tool",)
