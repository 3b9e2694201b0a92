"""What virsh does to machines behind imgpipe's back, in a real libvirt; none of them runs a guest."""

from __future__ import annotations

import os
import re
import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machines, virsh
from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.image_headers import backing_of
from imgpipe.adapters.machines import Machines
from imgpipe.deploy import bring_up
from imgpipe.deploy.changes import Keep, Modify
from imgpipe.deploy.flatten import flatten
from imgpipe.deploy.ownership import COPIED
from imgpipe.digest import sha256_of
from imgpipe.errors import HostError, RecipeError

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]


@pytest.fixture(params=["local", "remote"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with getattr(deploy_site, f"{request.param}_site")(tmp_path) as made:
        made.deploy(machines(2, made.template, start=False))
        yield made


def copy_of(site: Site, name: str, new: str, disk: str) -> None:
    """Define what virt-clone makes: all of it new but the metadata."""
    domain = ET.fromstring(Machines(site.hypervisor).xml(name))
    for tag, text in (("name", new), ("uuid", str(uuid.uuid4()))):
        element = domain.find(tag)
        assert element is not None
        element.text = text
    source = domain.find("devices/disk[@device='disk']/source")
    assert source is not None
    source.set("file", disk)
    Machines(site.hypervisor).define(ET.tostring(domain, encoding="unicode"))


def test_a_copy_is_a_strangers_and_the_original_keeps_its_disk(site: Site) -> None:
    pool = site.workshop().pool
    copy_of(site, "web-001", "copy", str(pool.file("copy.qcow2")))
    found = Machines(site.hypervisor).find("copy")
    assert (found.record, found.stranger) == (None, COPIED)
    with pytest.raises(RecipeError, match="metadata was copied"):
        bring_up.remove((found,), site.workshop())
    Machines(site.hypervisor).drop_record("copy")
    assert Machines(site.hypervisor).find("copy").stranger == ""
    assert {"web-001.qcow2", "web-002.qcow2"} <= pool.names()


def test_a_disk_that_another_machine_names_is_not_deleted(site: Site) -> None:
    pool = site.workshop().pool
    copy_of(site, "web-001", "thief", str(pool.file("web-001.qcow2")))
    with pytest.raises(RecipeError, match="needed by the machine 'thief'"):
        bring_up.remove((Machines(site.hypervisor).find("web-001"),), site.workshop())
    assert "web-001.qcow2" in pool.names()


def test_an_external_snapshot_goes_whole(site: Site) -> None:
    words = ["snapshot-create-as", "web-001", "s1", "--disk-only"]
    virsh(site, *words)
    (there, _) = site.existing()
    assert Path(there.disk).name == "web-001.s1"
    pool = site.workshop().pool
    pool.refresh()
    bring_up.remove((there,), site.workshop())
    pool.refresh()
    assert {name for name in pool.names() if name.startswith("web-")} == {"web-002.qcow2"}
    assert [one.name for one in site.existing()] == ["web-002"]


def test_what_a_revert_leaves_of_snapshots_goes_with_the_machine(site: Site) -> None:
    for snapshot in ("s1", "s2"):
        virsh(site, "snapshot-create-as", "web-001", snapshot, "--disk-only")
    virsh(site, "snapshot-revert", "web-001", "s1")
    (there, other) = site.existing()
    pool = site.workshop().pool
    left = Path(there.disk).with_name("web-001.s1").name
    assert Path(there.disk).name not in {left, "web-001.qcow2"}
    pool.refresh()
    assert left in pool.names()
    bring_up.remove((there,), site.workshop())
    pool.refresh()
    assert {name for name in pool.names() if name.startswith("web-")} == {"web-002.qcow2"}
    assert [one.name for one in site.existing()] == [other.name]


def test_what_a_commit_leaves_of_a_snapshot_goes_with_the_machine_but_not_below_a_strangers(site: Site) -> None:
    pool = site.workshop().pool
    virsh(site, "start", "web-001", "--paused")
    virsh(site, "snapshot-create-as", "web-001", "s1", "--disk-only")
    virsh(site, "blockcommit", "web-001", "vda", "--base", str(pool.file("web-001.qcow2")), "--active", "--pivot",
          "--wait")  # fmt: skip
    virsh(site, "destroy", "web-001")
    (there, _) = site.existing()
    assert Path(there.disk).name == "web-001.qcow2"
    copy_of(site, "web-002", "thief", str(pool.file("web-001.s1")))
    with pytest.raises(RecipeError, match="needed by the machine 'thief'"):
        bring_up.remove((there,), site.workshop())
    virsh(site, "undefine", "thief")
    bring_up.remove((there,), site.workshop())
    pool.refresh()
    assert {name for name in pool.names() if name.startswith("web-")} == {"web-002.qcow2"}


def test_an_overlay_whose_snapshot_libvirt_forgot_keeps_the_disk_below_it(site: Site) -> None:
    pool = site.workshop().pool
    virsh(site, "snapshot-create-as", "web-001", "s1", "--disk-only")
    virsh(site, "snapshot-delete", "web-001", "s1", "--metadata")
    before = Machines(site.hypervisor).xml("web-001")
    Machines(site.hypervisor).define(re.sub(r"web-001\.s1", "web-001.qcow2", before))
    (there, _) = site.existing()
    with pytest.raises(RecipeError, match=r"is needed by .*web-001\.s1'"):
        bring_up.remove((there,), site.workshop())
    pool.refresh()
    assert {"web-001.s1", "web-001.qcow2"} <= pool.names()


def test_a_renamed_machine_is_still_ours(site: Site) -> None:
    virsh(site, "domrename", "web-001", "new")
    found = Machines(site.hypervisor).find("new")
    assert found.record is not None
    bring_up.remove((found,), site.workshop())
    pool = site.workshop().pool
    pool.refresh()
    assert "web-001.qcow2" not in pool.names()


def test_a_lost_disk_is_seen(site: Site) -> None:
    if not site.workshop().pool.local:
        pytest.skip("another host's files are not seen")
    (there, other) = site.existing()
    Path(there.disk).unlink()
    assert [one.disk_missing for one in site.existing()] == [True, False]
    assert backing_of(Path(other.disk)) is not None


def test_a_lost_pool_of_our_own_is_made_anew(site: Site) -> None:
    if not site.workshop().pool.local:
        pytest.skip("another host's pool is its owner's")
    for verb in ("pool-destroy", "pool-undefine"):
        virsh(site, verb, "imgpipe")
    site.remove_all()
    assert site.existing() == ()
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("ask", ["flatten", "destroy"])
def test_the_command_that_leads_out_of_a_snapshot_leaves_the_image_as_it_is(tmp_path: Path, ask: str) -> None:
    with deploy_site.local_site(tmp_path) as site:
        site.deploy(machines(1, site.template))
        image = sha256_of(site.template.disk)
        overlay = tmp_path / "elsewhere.qcow2"
        words = ["snapshot-create-as", "web-001", "s1", "--disk-only", "--diskspec", f"vda,file={overlay}"]
        virsh(site, *words)
        (there,) = site.existing()
        act = site.remove_all if ask == "destroy" else partial(flatten, there, "vda", site.workshop())
        with pytest.raises(RecipeError) as refused:
            act()
        (command,) = re.findall("'virsh (blockcommit .*?)'", refused.value.hint)
        typed = command.replace("DISK", "vda").split()
        virsh(site, *typed, "--wait")
        assert sha256_of(site.template.disk) == image
        assert [one.disk for one in site.existing()] == [str(site.folder / "web-001.qcow2")]
        # virsh leaves the overlay, and nothing tells that all of it is in the disk by now.
        with pytest.raises(RecipeError, match=f"is needed by '{overlay}'"):
            site.remove_all()
        overlay.unlink()
        site.remove_all()
        assert site.existing() == ()


def test_a_qemu_that_libvirt_forgot_keeps_its_disk_and_is_named_until_it_ends(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with private_libvirt.private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}"
        first = deploy_site.site_at(tmp_path, uri)
        first.deploy(machines(1, first.template))
        known = daemon.folder / "state/run/libvirt/qemu"
        pid = int((known / "web-001.pid").read_text())
        daemon.kill()
        # As where /run was emptied: it is off for libvirt, and runs on.
        for path in known.glob("web-001.*"):
            path.unlink()
        daemon.start()
        site = replace(first, hypervisor=connect(uri, print))
        (there,) = site.existing()
        assert not there.active
        for act in (site.remove_all, lambda: Machines(site.hypervisor).start("web-001")):
            with pytest.raises(HostError, match=f"in use by process {pid}, a QEMU with the machine 'web-001'") as told:
                act()
            assert f"'kill {pid}'" in told.value.hint
        assert Path(there.disk).exists()
        assert [one.record.complete for one in site.existing() if one.record] == [True]
        os.kill(pid, signal.SIGKILL)
        site.remove_all()
        assert site.existing() == ()
        assert not Path(there.disk).exists()
        site.hypervisor.close()


def test_a_machine_that_was_undefined_while_it_runs_is_defined_again(tmp_path: Path) -> None:
    with deploy_site.local_site(tmp_path) as site:
        wanted = machines(1, site.template)
        site.deploy(wanted)
        virsh(site, "undefine", "web-001")
        (change,) = site.changes(wanted)
        assert isinstance(change, Modify)
        assert change.what == ("it is defined again: it would be gone when it ends",)
        site.deploy(wanted)
        assert isinstance(site.changes(wanted)[0], Keep)
        site.workshop().machines.force_stop("web-001")
        assert [one.name for one in site.existing()] == ["web-001"]
        assert site.existing()[0].record
