"""Machines are made, changed and removed in a real libvirt, here and where only its API reaches; none of them runs."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machine, machines
from imgpipe.adapters import qemu_img
from imgpipe.adapters.image_headers import backing_of
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy import bring_up
from imgpipe.deploy.changes import Keep, Make, Modify
from imgpipe.deploy.flatten import flatten
from imgpipe.deploy.wanted import WantedFile, WantedNic
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.users import machines_and, overlays_in
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
SECRET = (WantedFile(path="/etc/token", text="hush", secret=True),)


@pytest.fixture(params=["local", "remote"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with getattr(deploy_site, f"{request.param}_site")(tmp_path) as made:
        yield made


QEMU_USERS = [name for name in ("libvirt-qemu", "qemu") if name in {known.pw_name for known in pwd.getpwall()}]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Yield a folder that anybody may pass through, also while other runs of pytest close theirs."""
    with tempfile.TemporaryDirectory(prefix="dep-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0 or not QEMU_USERS, reason="only root can have QEMU run as its own user")
@pytest.mark.parametrize("kind", ["local", "remote"])
def test_qemus_own_user_reads_the_image_and_never_owns_it(open_folder: Path, kind: str) -> None:
    conf = f'user = "{QEMU_USERS[0]}"\nstdio_handler = "file"\nsecurity_driver = "none"\n'
    with getattr(deploy_site, f"{kind}_site")(open_folder, conf) as site:
        site.deploy((machine("sec", site.template, identity_files=SECRET),))
        (there,) = site.existing()
        assert there.active
        assert Path(there.disk).owner() == QEMU_USERS[0]
        image = backing_of(Path(there.disk))
        assert image is not None
        assert image.stat().st_uid == 0
        site.remove_all()
        assert_nothing_left(site)


def pool(site: Site) -> Pool:
    return site.workshop().pool


def assert_nothing_left(site: Site) -> None:
    assert site.existing() == ()
    site.workshop().pool.refresh()
    assert pool(site).names() == frozenset()


def test_machines_are_whole_alike_and_nothing_is_left_of_them(site: Site) -> None:
    asked = (*machines(2, site.template), machine("sec", site.template, identity_files=SECRET, start=False))
    site.deploy(asked)
    there = {one.name: one for one in site.existing()}
    assert [there[name].active for name in ("web-001", "web-002", "sec")] == [True, True, False]
    assert all(one.record and one.record.complete and one.record.linked for one in there.values())
    assert pool(site).names() >= {"web-001.qcow2", "web-002.qcow2", "sec.qcow2", "sec-seed.iso"}
    assert all(one.virtual_size == deploy_site.SIZE for one in there.values())
    assert "hush" not in Machines(site.hypervisor).xml("sec")
    assert all(isinstance(change, Keep) for change in site.changes(asked))
    site.remove_all()
    assert_nothing_left(site)


def test_a_full_copy_is_independent_and_no_larger_than_its_source(site: Site) -> None:
    big = Machine(cpus=1, memory=64 * MIB, disk=deploy_site.SIZE * 2)
    site.deploy((machine("own", site.template, linked=False, start=False, machine=big),))
    (there,) = site.existing()
    assert there.record is not None
    assert not there.record.linked
    assert there.virtual_size == deploy_site.SIZE * 2
    info = qemu_img.info(Path(there.disk))
    assert info.backing is None
    assert info.disk_size <= qemu_img.info(site.template.disk).disk_size + 256 * 1024


def test_an_image_is_in_use_while_linked_machines_need_it(site: Site) -> None:
    site.deploy(machines(1, site.template, start=False))
    used = machines_and(overlays_in((site.folder,)), site.existing())
    assert used(site.template.disk) == ("web-001",)
    (there,) = site.existing()
    flatten(there, "vda", site.workshop())
    assert machines_and(overlays_in((site.folder,)), site.existing())(site.template.disk) == ()
    assert qemu_img.info(Path(there.disk)).backing is None
    site.remove_all()


def test_a_running_machine_is_flattened_while_it_runs(site: Site) -> None:
    site.deploy(machines(1, site.template))
    (there,) = site.existing()
    flatten(there, "vda", site.workshop())
    (after,) = site.existing()
    assert after.active
    assert after.record is not None
    assert not after.record.linked
    assert qemu_img.info(Path(after.disk)).backing is None


def test_only_what_differs_changes_and_what_others_added_stays(site: Site) -> None:
    site.deploy(machines(1, site.template, start=False))
    known = Machines(site.hypervisor)
    root = ET.fromstring(known.xml("web-001"))
    devices = root.find("devices")
    assert devices is not None
    ET.SubElement(devices, "watchdog", model="i6300esb", action="reset")
    known.define(ET.tostring(root, encoding="unicode"))
    (wanted,) = machines(
        1,
        site.template,
        start=False,
        autostart=True,
        machine=Machine(cpus=2, memory=96 * MIB, disk=deploy_site.SIZE * 2),
        identity_files=SECRET,
    )
    added = WantedNic(kind="user", mac="52:54:00:00:00:99")
    wanted = replace(wanted, identity=replace(wanted.identity, nics=(*wanted.identity.nics, added)))
    (change,) = site.changes((wanted,))
    assert isinstance(change, Modify)
    site.deploy((wanted,))
    (there,) = site.existing()
    assert (there.cpus, there.memory, there.virtual_size) == (2, 96 * MIB, deploy_site.SIZE * 2)
    assert (there.autostart, len(there.nics)) == (True, 2)
    assert "web-001-seed.iso" in pool(site).names()
    assert "watchdog model='i6300esb'" in known.xml("web-001")
    assert isinstance(site.changes((wanted,))[0], Keep)
    site.deploy(machines(1, site.template, start=False, machine=wanted.machine))
    assert "web-001-seed.iso" not in pool(site).names()
    assert len(site.existing()[0].nics) == 1
    site.remove_all()
    assert_nothing_left(site)


def test_the_disk_of_a_running_machine_grows(site: Site) -> None:
    site.deploy(machines(1, site.template))
    (wanted,) = machines(1, site.template, machine=Machine(cpus=1, memory=64 * MIB, disk=deploy_site.SIZE * 2))
    site.deploy((wanted,))
    (there,) = site.existing()
    assert there.active
    assert there.virtual_size == deploy_site.SIZE * 2
    assert isinstance(site.changes((wanted,))[0], Keep)


def make_half(site: Site) -> None:
    """Make a machine what a removal that was killed left."""
    (there,) = site.existing()
    assert there.record is not None
    proofs = ((there.record.disk, pool(site).proof(there.record.disk)),)
    Machines(site.hypervisor).set_record("web-001", replace(there.record, complete=False, proofs=proofs))


def test_half_a_machine_is_made_again_or_removed(site: Site) -> None:
    known = Machines(site.hypervisor)
    for volume in (False, True):
        site.deploy(machines(1, site.template))
        make_half(site)
        if volume:
            known.force_stop("web-001")
            pool(site).delete("web-001.qcow2")
        (change,) = site.changes(machines(1, site.template))
        assert isinstance(change, Make)
        assert change.leftover is not None
    site.deploy(machines(1, site.template))
    assert [one.record.complete for one in site.existing() if one.record] == [True]
    make_half(site)
    site.remove_all()
    assert_nothing_left(site)


def test_a_failure_leaves_whole_machines_and_nothing_of_others(site: Site) -> None:
    broken = machine("bad", site.template, cache="none")
    broken = replace(
        broken,
        identity=replace(broken.identity, nics=(WantedNic(kind="bridge", source="no-br", mac="52:54:00:00:00:07"),)),
    )
    with pytest.raises(HostError, match="bad"):
        site.deploy((*machines(2, site.template), broken), at_once=1)
    assert {one.name for one in site.existing()} == {"web-001", "web-002"}
    assert not {name for name in pool(site).names() if name.startswith("bad")}


def test_volumes_and_machines_of_others_are_not_touched(site: Site) -> None:
    pool(site).write_small("web-001.qcow2", b"precious")
    with pytest.raises(RecipeError, match="volumes already"):
        site.deploy(machines(1, site.template))
    assert site.existing() == ()
    assert "web-001.qcow2" in pool(site).names()
    Machines(site.hypervisor).define(
        "<domain type='qemu'><name>db</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    )
    with pytest.raises(RecipeError, match="not made by imgpipe"):
        site.remove_all()
    with pytest.raises(RecipeError, match="called: db"):
        bring_up.apply([Make(machine=machine("db", site.template))], site.workshop())
    assert [one.name for one in site.existing()] == ["db"]
    assert pool(site).names() >= {"web-001.qcow2"}
