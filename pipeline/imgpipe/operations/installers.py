"""What installers leave: answer files with passwords, their logs, and settings that bind cloud-init."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove

_ANACONDA: tuple[str, ...] = (
    "/root/*ks*.cfg",
    "/root/ks-*.log",
    "/root/anaconda*",
    "/var/log/anaconda",
    "/var/log/anaconda.*",
)
_ANACONDA += ("/root/install.log*", "/ks*.cfg", "/run/install", "/etc/sysconfig/anaconda", "/root/initial-setup-ks.cfg")
_DEBIAN = (
    "/var/log/installer",
    "/var/log/debian-installer",
    "/var/lib/debian-installer*",
    "/etc/udev/rules.d/*debian-installer*",
    "/preseed.cfg",
    "/root/preseed*",
    "/var/cache/debconf/passwords.dat-old",
    "/var/cache/debconf/*.dat-old",
    "/var/lib/dpkg/*-old",
    "/var/lib/initramfs-tools/.preseed*",
)
_SUBIQUITY = (
    "/var/log/installer",
    "/etc/cloud/cloud.cfg.d/99-installer.cfg",
    "/etc/cloud/cloud.cfg.d/90-installer-network.cfg",
    "/etc/cloud/cloud.cfg.d/20-disable-cc-dpkg-grub.cfg",
    "/etc/cloud/cloud.cfg.d/curtin-preserve-sources.cfg",
    "/etc/cloud/cloud.cfg.d/subiquity-disable-cloudinit-networking.cfg",
    "/etc/cloud/clean.d/99-installer*",
    "/etc/cloud/ds-identify.cfg",
    "/etc/cloud/cloud-init.disabled",
    "/autoinstall.y*ml",
    "/root/*autoinstall*",
)
_CLOUD_INIT = ("/var/lib/cloud/*", "/run/cloud-init/*", "/var/log/cloud-init*")

OPERATIONS = (
    Operation(
        name="anaconda-leftovers",
        description="Remove kickstarts that Anaconda leaves in /root, which hold password hashes, and its logs.",
        steps=(Remove(patterns=_ANACONDA),),
        sealed=(Absent(patterns=_ANACONDA),),
    ),
    Operation(
        name="debian-installer-leftovers",
        description="Remove debian-installer's logs and answers, and debconf's older copies, which hold passwords.",
        steps=(Remove(patterns=_DEBIAN),),
        sealed=(Absent(patterns=_DEBIAN),),
    ),
    Operation(
        name="subiquity-leftovers",
        description="Remove subiquity's user-data and logs, and the files by which it keeps cloud-init off clones.",
        steps=(Remove(patterns=_SUBIQUITY),),
        sealed=(Absent(patterns=_SUBIQUITY),),
    ),
    Operation(
        name="cloud-init",
        description="Remove cloud-init's state, so that a clone is a new instance to it.",
        steps=(Remove(patterns=_CLOUD_INIT),),
        sealed=(Absent(patterns=_CLOUD_INIT),),
    ),
)
