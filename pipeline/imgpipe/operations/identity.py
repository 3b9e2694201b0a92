"""What tells one machine from another: ids, names, host keys, random seeds, hardware that was seen once."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, CopyFile, DropLines, Empty, Operation, Remove, Symlink, WriteFile

_HOST_KEYS = ("/etc/ssh/ssh_host_*",)
_SEEDS = (
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/urandom/random-seed",
    "/var/lib/random-seed",
    "/var/lib/misc/random-seed",
    "/etc/random-seed",
    "/boot/loader/random-seed",
    "/boot/efi/loader/random-seed",
    "/efi/loader/random-seed",
)
_BLKID = ("/etc/blkid.tab*", "/etc/blkid/blkid.tab*", "/run/blkid/blkid.tab*", "/var/run/blkid.tab*")
_HARDWARE_IDS = ("/etc/smolt/uuid", "/etc/smolt/hw-uuid", "/etc/sysconfig/hw-uuid", "/var/lib/yum/uuid")
_LVM_DEVICES = ("/etc/lvm/devices/*.devices", "/etc/lvm/devices/backup/*", "/etc/lvm/cache/.cache")

# Enterprise Linux has a service of its own and is left to it. Debian 13 has one that nothing starts: its first boot has
# no keys, and sshd fails. cloud-init makes keys as well, and would remove ours.
_HOST_KEYS_UNIT = """\
[Unit]
Description=Make the SSH host keys that are missing
Documentation=man:ssh-keygen(1)
ConditionFileIsExecutable=/usr/bin/ssh-keygen
ConditionPathExists=!/usr/lib/systemd/system/sshd-keygen@.service
ConditionPathExists=|!/etc/ssh/ssh_host_rsa_key
ConditionPathExists=|!/etc/ssh/ssh_host_ecdsa_key
ConditionPathExists=|!/etc/ssh/ssh_host_ed25519_key
After=cloud-init.service cloud-init-network.service
Before=ssh.service sshd.service sshd-keygen.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
"""
_UNIT = "imgpipe-ssh-host-keys.service"


def operations(hostname: str) -> tuple[Operation, ...]:
    """Return the operations on identity; a template with a name of its own (`hostname`) keeps it."""
    return (*_IDS, _hostname(hostname), *_REST)


def _hostname(hostname: str) -> Operation:
    if hostname:
        return Operation(
            name="hostname",
            description="Keep the host name that the recipe gives the template; drop what DHCP would be told.",
            steps=(_DHCP_NAMES,),
        )
    return Operation(
        name="hostname",
        description="Remove the installer's host name from the system and from its NIC configuration.",
        steps=(
            Remove(patterns=("/etc/hostname", "/etc/HOSTNAME")),
            DropLines(path="/etc/hosts", pattern=r"^127\.0\.1\.1\s"),
            DropLines(path="/etc/sysconfig/network", pattern=r"^\s*HOSTNAME="),
            _DHCP_NAMES,
        ),
        sealed=(Absent(patterns=("/etc/hostname", "/etc/HOSTNAME")),),
    )


_DHCP_NAMES = DropLines(path="/etc/sysconfig/network-scripts/ifcfg-*", pattern=r"^\s*(DHCP_)?HOSTNAME=")

_IDS = (
    Operation(
        name="boot-entries",
        description="Pin the name under which kernels are installed, so that a new machine-id does not strand them.",
        # kernel-install(8) names boot entries by /etc/kernel/entry-token (systemd 251), else by the machine-id: with a
        # new id, entries of new kernels might sort below the template's. Must run before the id is emptied.
        steps=(CopyFile(source="/etc/machine-id", path="/etc/kernel/entry-token", where="/boot/loader/entries/*"),),
    ),
    Operation(
        name="machine-id",
        description="Make /etc/machine-id an empty file, so that each clone gets an id of its own at first boot.",
        # Empty, not missing: systemd then writes the new id into the file; and the D-Bus one must never differ.
        steps=(
            WriteFile(path="/etc/machine-id", content="", mode=0o444),
            Symlink(path="/var/lib/dbus/machine-id", target="/etc/machine-id"),
        ),
        sealed=(Empty(path="/etc/machine-id"),),
    ),
    Operation(
        name="machine-info",
        description="Remove the pretty host name, chassis and location of hostnamectl.",
        steps=(Remove(patterns=("/etc/machine-info",)),),
        sealed=(Absent(patterns=("/etc/machine-info",)),),
    ),
)

_REST = (
    Operation(
        name="ssh-hostkeys",
        description="Remove the SSH host keys; each clone makes its own at first boot.",
        steps=(Remove(patterns=_HOST_KEYS),),
        sealed=(Absent(patterns=_HOST_KEYS),),
    ),
    Operation(
        name="ssh-hostkeys-first-boot",
        description="Add a unit that makes missing SSH host keys before sshd starts, where the system has none.",
        steps=(
            WriteFile(path=f"/etc/systemd/system/{_UNIT}", content=_HOST_KEYS_UNIT),
            Symlink(path=f"/etc/systemd/system/multi-user.target.wants/{_UNIT}", target=f"/etc/systemd/system/{_UNIT}"),
        ),
    ),
    Operation(
        name="random-seed",
        description="Remove saved random seeds and systemd's credential secret, which must be secret to one machine.",
        steps=(Remove(patterns=_SEEDS),),
        sealed=(Absent(patterns=_SEEDS),),
    ),
    Operation(
        name="block-device-ids",
        description="Remove lists of the template's own block devices: blkid's cache and LVM's devices file.",
        # LVM uses every device again where its devices file is missing (lvmdevices(8)).
        steps=(Remove(patterns=(*_BLKID, *_LVM_DEVICES)),),
        sealed=(Absent(patterns=(*_BLKID, *_LVM_DEVICES)),),
    ),
    Operation(
        name="hardware-ids",
        description="Remove the ids that smolt and yum once made for this machine.",
        steps=(Remove(patterns=_HARDWARE_IDS),),
        sealed=(Absent(patterns=_HARDWARE_IDS),),
    ),
)
