"""Sealing real disks in libguestfs' appliance, and virt-sysprep as the judge of what is left."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dirty_guest
import pytest
from sealing import installed, plan, workplace

from imgpipe.adapters.guest import open_disk
from imgpipe.artifacts import Package, SealedDisk
from imgpipe.errors import GuestError
from imgpipe.os_family import Proof
from imgpipe.stages.sysprep import seal

pytestmark = pytest.mark.appliance

PROOF = Proof(console="", failure="", file=dirty_guest.PROOF, content="done")
PLAN = plan(f"rootpw --iscrypted {dirty_guest.PASSWORD_HASH}\n", PROOF)
VIRT_SYSPREP = "defaults,-customize,-ssh-userdir,-lvm-uuids"
# What virt-sysprep still changes on a sealed disk, and why it is otherwise with us; all of these are empty files.
STAYS = {
    "/var/log/wtmp": "emptied: login programs write only to a file that is there",
    "/var/log/btmp": "emptied, as wtmp",
    "/var/log/lastlog": "emptied, as wtmp",
    "/var/log/tallylog": "emptied: pam_tally2 wants it there",
    "/var/log/faillog": "emptied: pam_tally wants it there",
    "/var/log/account/pacct": "removed, where virt-sysprep makes an empty one: process accounting makes its own",
}


@dataclass(frozen=True)
class Made:
    """Disks before and after sealing, and what was said meanwhile."""

    folder: Path
    digests: dict[str, bytes]
    sealed: dict[str, SealedDisk]
    heard: list[Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("sysprep")
    dirty_guest.make_disks(folder, dirty_guest.empty_xfs(folder))
    paths = {name: folder / f"{name}.qcow2" for name in ("plain", "lvm")}
    digests = {name: path.read_bytes() for name, path in paths.items()}
    heard: list[Any] = []
    place = workplace(folder / "store", heard)
    sealed = {name: seal(PLAN, installed(path, name), place) for name, path in paths.items()}
    return Made(folder=folder, digests=digests, sealed=sealed, heard=heard)


@pytest.fixture(scope="module")
def listings(made: Made) -> dict[str, dict[str, tuple[str, str]]]:
    """Read every file of the sealed disks, and of a sealed disk on which virt-sysprep ran as well."""
    again = made.folder / "again.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", made.sealed["plain"].path, again], check=True, timeout=300)
    subprocess.run(
        ["virt-sysprep", "-q", "--operations", VIRT_SYSPREP, "--format", "qcow2", "-a", again],
        check=True,
        timeout=1200,
        env=dirty_guest.environment(),
    )
    disks = {"plain": made.sealed["plain"].path, "again": again, "lvm": made.sealed["lvm"].path}
    roots = {"plain": "/dev/sda1", "again": "/dev/sdb1", "lvm": "/dev/vg0/root"}
    calls: list[tuple[object, ...]] = [
        ("add_drive_opts", str(path), {"format": "qcow2", "readonly": True}) for path in disks.values()
    ]
    calls.append(("launch",))
    for name, device in roots.items():
        calls += [("mount_ro", device, "/"), ("tar_out", "/", str(made.folder / f"{name}.out.tar")), ("umount", "/")]
    dirty_guest.run_in_appliance(*calls)
    return {name: dirty_guest.listing(made.folder / f"{name}.out.tar") for name in disks}


@pytest.mark.parametrize("name", ["plain", "lvm"])
def test_the_dirt_of_every_operation_is_gone(made, listings, name):
    before = dirty_guest.tree("")
    gone = set(before) - set(listings[name])
    expected = {path for path, text in before.items() if text == "dirt\n"}
    assert len(expected) > 150
    assert expected - gone - _emptied(listings[name]) == set()
    for path in ("/etc/hostname", "/root/original-ks.cfg", "/root/.ssh/id_ed25519", dirty_guest.PROOF):
        assert path in gone


def _emptied(listing: dict[str, tuple[str, str]]) -> set[str]:
    return {path for path, (kind, text) in listing.items() if kind == "file" and not text}


@pytest.mark.parametrize("name", ["plain", "lvm"])
def test_what_is_not_dirt_stays_as_it_was(listings, name):
    # The listing is of the root file system; /boot is another one on the disk with LVM.
    kept = {**dirty_guest.SYSTEM, **dirty_guest.KEPT}
    for path, text in kept.items():
        if name == "lvm" and path.startswith("/boot/"):
            continue
        kind = "folder" if path.endswith("/") else "file"
        assert listings[name].get(path.rstrip("/")) == (kind, text), path


@pytest.mark.parametrize("name", ["plain", "lvm"])
def test_a_sealed_system_makes_its_own_identity(listings, name):
    found = listings[name]
    assert found["/etc/machine-id"] == ("file", "")
    assert found["/var/lib/dbus/machine-id"] == ("link", "/etc/machine-id")
    assert found["/etc/kernel/entry-token"] == ("file", dirty_guest.MACHINE_ID)
    unit = "/etc/systemd/system/imgpipe-ssh-host-keys.service"
    assert "ExecStart=/usr/bin/ssh-keygen -A" in found[unit][1]
    assert found["/etc/systemd/system/multi-user.target.wants/imgpipe-ssh-host-keys.service"] == ("link", unit)
    assert found["/etc/resolv.conf"] == ("file", "")


def test_virt_sysprep_finds_nothing_more_to_do(listings):
    sealed, again = listings["plain"], listings["again"]
    changed = {path for path in sealed.keys() | again.keys() if sealed.get(path) != again.get(path)}
    assert changed - set(STAYS) == set()
    empty = ("file", "")
    assert all(sealed.get(path, empty) == again.get(path, empty) == empty for path in changed)


def test_the_installed_disks_are_unchanged(made):
    for name, content in made.digests.items():
        assert (made.folder / f"{name}.qcow2").read_bytes() == content


def test_the_state_says_what_was_found_and_asserted(made):
    state = made.sealed["plain"].state
    assert (state.distro, state.package_format) == ("debian", "deb")
    server = Package(name="openssh-server", version="1:9.2p1-2", arch="amd64", source="openssh-server", supplier="Ann")
    assert server in state.packages
    assert (state.release.id, state.release.version) == ("debian", "12")
    assert "machine-id: /etc/machine-id is an empty file." in state.asserted
    searched = "No password of the answer file is where installers leave copies, other than in /etc/shadow."
    assert searched in state.asserted


def test_sealing_again_reuses_what_is_there(made):
    place = workplace(made.folder / "store", [])
    again = seal(PLAN, installed(made.folder / "plain.qcow2", "plain"), place)
    assert again == replace(made.sealed["plain"], reused=True)


def test_a_disk_without_its_proof_or_with_dirt_left_is_not_sealed(made):
    place = workplace(made.folder / "other", [])
    unproven = replace(PLAN, unattended=replace(PLAN.unattended, proof=replace(PROOF, content="other")))
    with pytest.raises(GuestError, match=r"did not finish: '/root/\.installed' on the disk is not what"):
        seal(unproven, installed(made.folder / "plain.qcow2", "plain"), place)
    lazy = tuple(replace(operation, steps=()) for operation in PLAN.operations)
    with pytest.raises(GuestError, match="is not sealed") as caught:
        seal(replace(PLAN, operations=lazy), installed(made.folder / "plain.qcow2", "plain"), place)
    assert "machine-id: '/etc/machine-id' is not empty" in caught.value.details
    assert "'/root/original-ks.cfg' holds a password of the answer file" in caught.value.details
    assert not list((made.folder / "other").rglob("sealed-*"))


def test_a_disk_without_a_system_is_refused_with_what_is_on_it(tmp_path):
    empty = tmp_path / "empty.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", empty, "64M"], check=True, timeout=60)
    with (
        pytest.raises(GuestError, match="holds no operating system"),
        open_disk(empty, accelerator="tcg", read_only=True),
    ):
        pass
