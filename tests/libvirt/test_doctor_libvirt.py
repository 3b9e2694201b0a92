"""What doctor says of a libvirt that runs: its pools and networks are real, and off."""

import pytest

from imgpipe.adapters import process
from imgpipe.adapters.hypervisor import Hypervisor, look
from imgpipe.adapters.libvirt_inventory import inventory
from imgpipe.host.doctor import daemon
from private_libvirt import lacking, private_libvirt

pytestmark = [pytest.mark.libvirt, pytest.mark.skipif(bool(lacking()), reason=lacking())]


def states(uri, pool=None):
    return {finding.name: finding.state for finding in daemon.look_at(uri, pool, "tcg")}


def test_pools_and_networks_that_are_off_are_told_and_started_by_the_commands_named(tmp_path):
    network = tmp_path / "lan.xml"
    network.write_text("<network><name>lan</name><bridge name='lan0'/></network>")
    with private_libvirt() as host:
        assert states(host.uri) == {"libvirt": "ok", "pools": "ok", "networks": "ok", "libvirt features": "ok"}
        virsh = ("virsh", "--connect", host.uri)
        process.run(*virsh, "pool-define-as", "vms", "dir", "--target", host.folder)
        process.run(*virsh, "net-define", network)
        assert states(host.uri) == {
            "libvirt": "ok",
            "pools": "warn",
            "networks": "warn",
            "libvirt features": "ok",
        }
        assert states(host.uri, "vms")["pools"] == "fail"
        assert "fail" in {one.state for one in daemon.look_at(host.uri, "other") if one.name == "pools"}
        for finding in daemon.look_at(host.uri, "vms"):
            for repair in finding.repairs:
                process.run(*repair)
        assert states(host.uri, "vms")["pools"] == "ok"


def test_the_folder_of_the_pool_that_the_settings_name_is_looked_at(monkeypatch):
    with private_libvirt() as host:
        process.run("virsh", "--connect", host.uri, "pool-create-as", "vms", "dir", "--target", host.folder)
        assert "direct I/O" not in states(host.uri, "vms")
        # A daemon behind a socket of its own may see other files than this process does; this one does not.
        monkeypatch.setattr(Hypervisor, "local", True)
        assert states(host.uri, "vms")["direct I/O"] == "ok"
        assert "direct I/O" not in states(host.uri)


def test_a_daemon_that_is_gone_fails(tmp_path):
    with private_libvirt() as host:
        host.kill()
        assert states(host.uri) == {"libvirt": "fail"}


def test_the_inventory_of_libvirts_test_driver_is_what_it_has():
    hypervisor = look("test:///default", lambda _: None)
    found = inventory(hypervisor)
    hypervisor.close()
    assert found.pools == {"default-pool": True}
    assert found.networks == {"default": True}
