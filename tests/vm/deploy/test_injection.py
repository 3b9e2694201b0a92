"""One appliance edits the disks of many clones, whose UUIDs are the same, each by itself."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imgpipe.adapters import batch_guest, qemu_img
from imgpipe.adapters.batch_guest import Refused, inject
from imgpipe.deploy.foreign import EARLY_FILES, MAC_FILES
from imgpipe.offline_edits import Absent, Empty, Remove, ReplaceMacs, Step, Symlink, WithoutMacs, WriteFile
from vm import dirty_guest

pytestmark = pytest.mark.appliance

KINDS = ("plain", "lvm")
CLONES = ("plain1", "plain2", "lvm1", "lvm2")
OLD = ("52:54:00:aa:bb:01", "52:54:00:aa:bb:02")
NEW = {name: (f"52:54:00:00:{number:02x}:0a", f"52:54:00:00:{number:02x}:0b") for number, name in enumerate(CLONES)}
CLAIMS = (
    Empty(path="/etc/machine-id"),
    Absent(patterns=("/etc/ssh/ssh_host_*",)),
    WithoutMacs(patterns=MAC_FILES, macs=OLD),
)
# As the tools write them; what a clone's NICs are told by, and what gives them an address of their own.
PROFILES = {
    "/etc/NetworkManager/system-connections/outside.nmconnection": (
        "[ethernet]\ncloned-mac-address={0}\nmac-address={0}\n", 0o600,
    ),
    "/etc/netplan/01-netcfg.yaml": ("network:\n  ethernets:\n    a:\n      match: {{macaddress: '{1}'}}\n", 0o600),
    "/etc/systemd/network/10-inside.network": ("[Match]\nMACAddress={1}\n", 0o644),
    "/etc/network/interfaces.d/inside": ("iface eth1 inet dhcp\n  hwaddress {1}\n  client 01:{0}\n", 0o644),
    "/usr/lib/udev/rules.d/70-persistent-net.rules": ('ATTR{{address}}=="{0}", NAME="outside"\n', 0o644),
    "/usr/lib/systemd/network/10-inside.link": ("[Match]\nMACAddress={1}\n", 0o644),
    "/var/lib/cloud/seed/nocloud/network-config": ("ethernets: {{a: {{match: {{macaddress: '{0}'}}}}}}\n", 0o600),
    "/opt/profiles/linked.yaml": ("network: {{ethernets: {{a: {{macaddress: '{0}'}}}}}}\n", 0o600),
}  # fmt: skip
LINK = ("/etc/netplan/02-linked.yaml", "/opt/profiles/linked.yaml")
# Where a NIC is called after its address, and its file too.
NAMED = {
    "/etc/network/interfaces.d/enx{0}": "auto enx{0}\niface enx{0} inet dhcp\n",
    "/etc/systemd/network/10-enx{1}.network": "[Match]\nName=enx{1}\n",
}
LABEL = "system_u:object_r:etc_t:s0"


def steps(name: str) -> tuple[Step, ...]:
    return (
        WriteFile(path="/etc/machine-id", content="", mode=0o444),
        Remove(patterns=("/etc/ssh/ssh_host_*",)),
        WriteFile(path="/etc/hostname", content=f"{name}\n"),
        WriteFile(path="/etc/imgpipe/new", content=f"{name}\n", mode=0o600),
        WriteFile(path="/boot/mark", content=f"{name}\n"),
        *(WriteFile(path=path, content=text.format(*OLD), mode=mode) for path, (text, mode) in PROFILES.items()),
        *(WriteFile(path=path.format(*bare(OLD)), content=text.format(*bare(OLD))) for path, text in NAMED.items()),
        Symlink(path=LINK[0], target=LINK[1]),
        WriteFile(path="/boot/initrd.img-6.1", content="an archive"),
        ReplaceMacs(patterns=MAC_FILES, pairs=tuple(zip(OLD, NEW.get(name, OLD), strict=True)), early=EARLY_FILES),
    )


def bare(macs: Iterable[str]) -> list[str]:
    """Return addresses as they are in names of NICs."""
    return [mac.replace(":", "") for mac in macs]


@dataclass(frozen=True)
class Made:
    """Clones by name, what was refused, what was remarked of each, how often many disks were launched together, and
    which disks alone.
    """

    disks: dict[str, Path]
    refused: tuple[Refused, ...]
    remarks: dict[str, list[str]]
    together: int
    alone: tuple[str, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("injection")
    dirty_guest.make_disks(folder, dirty_guest.empty_xfs(folder))
    dirty_guest.run_in_appliance(
        ("add_drive_opts", str(folder / "plain.qcow2"), {"format": "qcow2"}),
        ("launch",),
        ("mount", "/dev/sda1", "/"),
        *(("lsetxattr", "security.selinux", LABEL, len(LABEL), path) for path in ("/etc", "/etc/hostname")),
    )
    disks = {f"{kind}{number}": folder / f"{kind}{number}.qcow2" for number in (1, 2) for kind in KINDS}
    for name, disk in disks.items():
        qemu_img.create_overlay(disk, backing=folder / f"{name[:-1]}.qcow2")
    disks["empty"] = folder / "empty.qcow2"
    qemu_img.create(disks["empty"], 2**26)
    disks["stubborn"] = folder / "stubborn.qcow2"
    qemu_img.create_overlay(disks["stubborn"], backing=folder / "plain.qcow2")
    order = ("plain1", "empty", "lvm1", "stubborn", "plain2", "lvm2")
    asked = {name: steps(name) for name in order} | {"stubborn": (WriteFile(path="/etc", content=""),)}
    remarks: dict[str, list[str]] = {}
    together: list[Path | None] = []
    alone: list[Path] = []
    start, open_one = batch_guest.start_worker, batch_guest.open_disk
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_guest, "start_worker", lambda log: together.append(log) or start(log))
        patch.setattr(batch_guest, "open_disk", lambda path, **how: alone.append(path) or open_one(path, **how))
        work = [(disks[name], asked[name]) for name in order]
        refused = inject(
            work,
            "tcg",
            folder / "inject.log",
            claims=CLAIMS,
            remark=lambda path, text: remarks.setdefault(path.stem, []).append(text),
        )
    return Made(
        disks=disks,
        refused=refused,
        remarks=remarks,
        together=len(together),
        alone=tuple(path.stem for path in alone),
    )


@pytest.fixture(scope="module")
def listings(made: Made) -> dict[str, dict[str, tuple[str, str]]]:
    """Read the clones; those with LVM in appliances of their own, where no other can be taken for them."""
    for names in (("plain1", "plain2", "stubborn"), ("lvm1",), ("lvm2",)):
        calls: list[tuple[object, ...]] = [
            ("add_drive_opts", str(made.disks[name]), {"format": "qcow2", "readonly": True}) for name in names
        ]
        calls.append(("launch",))
        for name, letter in zip(names, "abc", strict=False):
            lvm = name.startswith("lvm")
            calls.append(("mount_ro", "/dev/vg0/root" if lvm else f"/dev/sd{letter}1", "/"))
            calls += [("mount_ro", "/dev/sda1", "/boot")] if lvm else []
            calls += [("tar_out", "/", str(_archive(made, name)), {"selinux": True}), ("umount_all",)]
        dirty_guest.run_in_appliance(*calls)
    return {name: dirty_guest.listing(_archive(made, name)) for name in (*CLONES, "stubborn")}


def _archive(made: Made, name: str) -> Path:
    return made.disks[name].with_suffix(".tar")


@pytest.mark.parametrize("name", CLONES)
def test_each_clone_has_its_own_edits_and_no_other_clones(listings, name):
    for path in ("/etc/hostname", "/etc/imgpipe/new", "/boot/mark"):
        assert listings[name][path] == ("file", f"{name}\n")
    assert listings[name]["/etc/machine-id"] == ("file", "")
    assert "/etc/ssh/ssh_host_ed25519_key" not in listings[name]
    assert listings[name]["/home/dir/.bashrc"] == ("file", "# mine\n")


@pytest.mark.parametrize("name", CLONES)
def test_each_clones_profiles_have_its_own_addresses_and_none_of_the_source(made, listings, name):
    for path, (text, mode) in PROFILES.items():
        assert listings[name][path] == ("file", text.format(*NEW[name]))
        with tarfile.open(_archive(made, name)) as archived:
            assert archived.getmember(f".{path}").mode == mode


@pytest.mark.parametrize("name", CLONES)
def test_each_clones_nics_are_called_after_its_own_addresses(listings, name):
    for path, text in NAMED.items():
        assert path.format(*bare(OLD)) not in listings[name]
        assert listings[name][path.format(*bare(NEW[name]))] == ("file", text.format(*bare(NEW[name])))
    assert listings[name][LINK[0]] == ("link", LINK[1])


def test_what_an_initramfs_may_have_copies_of_is_told_of_each_clone(made):
    assert made.remarks.keys() == set(CLONES)
    for remarks in made.remarks.values():
        (text,) = remarks
        folders = ("/etc/systemd/network", "/usr/lib/systemd/network", "/usr/lib/udev/rules.d")
        assert all(f"'{folder}'" in text for folder in folders)


def test_one_launch_serves_all_disks_but_the_one_without_a_system(made):
    assert (made.together, made.alone) == (1, ("empty",))


def test_a_disk_that_fails_is_named_with_the_reason_and_spoils_no_other(made, listings):
    reasons = {refused.path.stem: refused.reason for refused in made.refused}
    assert reasons.keys() == {"empty", "stubborn"}
    assert "no operating system" in reasons["empty"]
    assert reasons["stubborn"] == "'/etc' is not a file in the image."
    assert listings["stubborn"]["/etc/hostname"] == ("file", "template\n")


@pytest.mark.parametrize("name", CLONES)
def test_the_disks_are_whole_afterwards(made, name):
    qemu_img.check(made.disks[name])


def test_what_is_new_gets_a_label_where_the_system_has_labels(made, listings):
    with tarfile.open(_archive(made, "plain2")) as archived:
        for path in ("./etc/imgpipe", "./etc/imgpipe/new", "./etc/hostname"):
            assert archived.getmember(path).pax_headers["RHT.security.selinux"] == LABEL


def test_a_broken_claim_refuses_the_disk(made, tmp_path):
    disk = tmp_path / "clone.qcow2"
    qemu_img.create_overlay(disk, backing=made.disks["plain1"])
    theirs = WithoutMacs(patterns=MAC_FILES, macs=(NEW["plain1"][1],))
    (refused,) = inject([(disk, ())], "tcg", claims=(Absent(patterns=("/etc/hostname",)), theirs))
    holders = [path for path, (text, _mode) in PROFILES.items() if "{1}" in text]
    holders += [path.format(*bare(NEW["plain1"])) for path, text in NAMED.items() if "{1}" in text]
    told = [f"'{path}' holds a MAC address of the source" for path in sorted(holders)]
    assert (refused.path, sorted(refused.details)) == (disk, sorted(["'/etc/hostname' is still there", *told]))
