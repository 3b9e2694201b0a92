"""virsh changes a machine in a real libvirt: the next deploy knows what, and that imgpipe did not do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machines, virsh
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.changes import Keep, Modify
from imgpipe.deploy.existing import Proven
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("setvcpus web-001 4 --maximum --config", "2 vCPU instead of 2 of 4"),
        ("setvcpus web-001 1 --config", "2 vCPU instead of 1 of 2"),
        ("setmaxmem web-001 128M --config", "96 MiB memory instead of 96 MiB of 128 MiB"),
        ("setmem web-001 48M --config", "96 MiB memory instead of 48 MiB of 96 MiB"),
        ("attach-device web-001 {nic} --config", "NICs on user instead of user, user"),
        ("autostart web-001", "it does not start with the host any more"),
    ],
)
def test_what_virsh_changed_is_named_and_then_undone(site: Site, tmp_path: Path, words: str, told: str) -> None:
    nic = tmp_path / "nic.xml"
    nic.write_text("<interface type='user'><model type='virtio'/></interface>")
    size = Machine(cpus=2, memory=96 * MIB, disk=deploy_site.SIZE)
    asked = machines(1, site.template, start=False, machine=size)
    site.deploy(asked)
    virsh(site, *words.format(nic=nic).split())
    (change,) = site.changes(asked)
    assert isinstance(change, Modify)
    assert (change.by_hand, change.unsure) == ((told,), False)
    site.deploy(asked)
    (after,) = site.changes(asked)
    assert isinstance(after, Keep)


def test_what_a_guest_told_of_its_host_keys_outlives_what_it_is_told_and_goes_with_it(site: Site) -> None:
    asked = machines(1, site.template, start=False)
    site.deploy(asked)
    known, (there,) = Machines(site.hypervisor), site.existing()
    assert there.record is not None
    told = Proven(hostname="web-001", machine_id="a" * 32, host_keys=("SHA256:x",), macs=(), addresses=())
    known.set_record(there.name, replace(there.record, proven=told))
    kept = site.store.root / "ssh" / f"known_hosts-{there.uuid}"
    kept.parent.mkdir()
    kept.write_text("web-001 ssh-ed25519 AAAA\n")
    site.deploy(machines(1, site.template, start=False, identity_keys=("ssh-ed25519 AAAA ann",)))
    (after,) = site.existing()
    assert after.record is not None
    assert (after.record.proven, after.record.host_keys) == (None, ("SHA256:x",))
    site.remove_all()
    assert not kept.exists()
