"""The file trees of the ten distributions that the operators name, as far as their boot loader goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HANDS_ON = (
    "search --no-floppy --root-dev-only --fs-uuid --set=dev 1234\nset prefix=($dev)/{0}\nconfigfile $prefix/grub.cfg\n"
)
_MENU = "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Linux' {\n linux /vmlinuz root=/dev/vda2 ro\n}\n"
_BLS = "### BEGIN /etc/grub.d/10_linux ###\ninsmod blscfg\nblscfg\n"


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How one distribution boots; `esp` is its vendor folder, and what grub.cfg in it is."""

    ident: str
    esp: str
    bls: bool = False
    kernelopts: bool = False
    hands_on: bool = False
    grub: str = "grub2"
    cpe: str = ""
    newer_grubby: bool = True


DISTRIBUTIONS = {
    "rocky 8": Distribution(ident="rocky", esp="rocky", bls=True, kernelopts=True),
    "rocky 9": Distribution(ident="rocky", esp="rocky", bls=True, hands_on=True),
    "almalinux 9": Distribution(ident="almalinux", esp="almalinux", bls=True, hands_on=True),
    "centos stream 9": Distribution(ident="centos", esp="centos", bls=True, hands_on=True),
    "openeuler 24.03": Distribution(ident="openEuler", esp="openEuler"),
    "anolis 8": Distribution(ident="anolis", esp="anolis", bls=True, kernelopts=True),
    "opencloudos 8": Distribution(
        ident="opencloudos", esp="opencloudos", bls=True, kernelopts=True, newer_grubby=False
    ),
    "kylin v10": Distribution(ident="kylin", esp="kylin"),
    "uos 20": Distribution(ident="uos", esp="uos"),
    "ubuntu 24.04": Distribution(ident="ubuntu", esp="ubuntu", hands_on=True, grub="grub"),
    "debian 13": Distribution(ident="debian", esp="debian", hands_on=True, grub="grub"),
}


def write(root: Path, path: str, text: str) -> Path:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


def make(root: Path, distribution: Distribution, *, uefi: bool) -> Path:
    """Write the tree of one host and return its root."""
    write(root, "etc/os-release", f'ID="{distribution.ident}"\nCPE_NAME="{distribution.cpe}"\n')
    defaults = 'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="crashkernel=auto rhgb quiet"\nGRUB_DISABLE_RECOVERY="true"\n'
    defaults += 'GRUB_CMDLINE_LINUX_DEFAULT="splash"\n'
    write(root, "etc/default/grub", defaults + ("GRUB_ENABLE_BLSCFG=true\n" if distribution.bls else ""))
    real = _BLS if distribution.bls else _MENU
    if uefi:
        (root / "sys/firmware/efi").mkdir(parents=True)
        esp = _HANDS_ON.format(distribution.grub) if distribution.hands_on else real
        write(root, f"boot/efi/EFI/{distribution.esp}/grub.cfg", esp)
        write(root, "boot/efi/EFI/BOOT/grub.cfg", "configfile /nowhere\n")
    if distribution.hands_on or not uefi:
        write(root, f"boot/{distribution.grub}/grub.cfg", real)
    if distribution.bls:
        options = "$kernelopts $tuned_params" if distribution.kernelopts else "root=/dev/vda2 ro crashkernel=auto"
        for kernel in ("5.14.0-1", "5.14.0-2"):
            write(root, f"boot/loader/entries/0123-{kernel}.conf", f"title Linux\noptions {options}\n")
        write(root, "boot/grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=/dev/vda2 ro\n####")
        write(root, "usr/sbin/grubby", "#!/bin/bash\nexec /usr/libexec/grubby/grubby-bls\n")
        write(root, "usr/libexec/grubby/grubby-bls", "--no-etc-grub-update)\n" if distribution.newer_grubby else "\n")
    write(root, f"usr/sbin/{distribution.grub}-mkconfig", "")
    write(root, "usr/sbin/update-initramfs" if distribution.grub == "grub" else "usr/bin/dracut", "")
    return root


def add_nic(root: Path, name: str, mac: str) -> None:
    """Add a physical NIC to /sys."""
    write(root, f"sys/class/net/{name}/address", f"{mac}\n")
    (root / f"sys/class/net/{name}/device").mkdir()
