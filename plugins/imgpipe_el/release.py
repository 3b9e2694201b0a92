"""What is particular about one release of the kickstart family: records of named capabilities.

The templates and the lint ask for capabilities and never for a release's number, so a new release is a new record.
Every capability of the kickstart language is checked against pykickstart's handler by a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imgpipe.os_family import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """A generation of Anaconda: what its kickstart language knows and what it does unasked.

    `major` is Anaconda's version, `handler` pykickstart's name for the language. `disk_label` is what clearpart
    writes on a BIOS machine when the kickstart names none (blivet). `dns_options` says that `network` takes
    --ipv4-dns-search and its kin. `checks_host_names` says that a host name which is none ends the installer.
    """

    major: int
    handler: str
    timesource: bool
    root_ssh_option: bool
    weak_dependencies_option: Literal["--exclude-weakdeps", "--excludeWeakdeps"]
    disk_label: Literal["msdos", "gpt"]
    dns_options: bool = False
    checks_host_names: bool = True


ANACONDA_29 = Installer(
    major=29,
    handler="F29",
    checks_host_names=False,
    timesource=False,
    root_ssh_option=False,
    weak_dependencies_option="--excludeWeakdeps",
    disk_label="msdos",
)
ANACONDA_33 = Installer(
    major=33,
    handler="RHEL8",
    dns_options=True,
    checks_host_names=False,
    timesource=False,
    root_ssh_option=False,
    weak_dependencies_option="--excludeWeakdeps",
    disk_label="msdos",
)
ANACONDA_34 = Installer(
    major=34,
    handler="RHEL9",
    dns_options=True,
    timesource=True,
    root_ssh_option=True,
    weak_dependencies_option="--exclude-weakdeps",
    disk_label="msdos",
)
ANACONDA_36 = Installer(
    major=36,
    handler="F36",
    timesource=True,
    root_ssh_option=False,
    weak_dependencies_option="--exclude-weakdeps",
    disk_label="msdos",
)
ANACONDA_38 = Installer(
    major=38,
    handler="F38",
    timesource=True,
    root_ssh_option=True,
    weak_dependencies_option="--exclude-weakdeps",
    disk_label="gpt",
)
ANACONDA_40 = Installer(
    major=40,
    handler="RHEL10",
    dns_options=True,
    timesource=True,
    root_ssh_option=True,
    weak_dependencies_option="--exclude-weakdeps",
    disk_label="gpt",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release: the system as imgpipe shows it, its installer, and what the installed system is like.

    `systemd` is the version that decides which credentials a clone can be given (systemd.system-credentials(7)).
    `kernel` is the version (major, minor) that the release began with, the least its settings can count on.
    `network_profiles` is the form in which NetworkManager's profiles are written. `sshd_drop_ins` says that
    sshd_config begins by including sshd_config.d, where a vendor's file may already set what the recipe sets.
    `selinux_needs_argument` says that only `selinux=0` turns SELinux off. `large_extent_counters` says that mkfs.xfs
    makes file systems that kernels before 5.19 cannot mount.
    """

    system: System
    installer: Installer
    kernel: tuple[int, int]
    systemd: int
    network_profiles: Literal["keyfile", "ifcfg"]
    sshd_drop_ins: bool = False
    selinux_needs_argument: bool = False
    large_extent_counters: bool = False
    filesystem: Literal["xfs", "ext4"] = "xfs"
    environment: str = "minimal-environment"
    kernel_paths: tuple[str, ...] = ("images/pxeboot/vmlinuz", "isolinux/vmlinuz")
    initrd_paths: tuple[str, ...] = ("images/pxeboot/initrd.img", "isolinux/initrd.img")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What the rebuilds of one Enterprise Linux have in common."""

    installer: Installer
    kernel: tuple[int, int]
    systemd: int
    network_profiles: Literal["keyfile", "ifcfg"]
    modern: bool
    large_extent_counters: bool = False

    def release(self, system: System) -> Release:
        """Return the release of `system`, which is a rebuild of this generation."""
        return Release(
            system=system,
            installer=self.installer,
            kernel=self.kernel,
            systemd=self.systemd,
            network_profiles=self.network_profiles,
            sshd_drop_ins=self.modern,
            selinux_needs_argument=self.modern,
            large_extent_counters=self.large_extent_counters,
        )


EL8 = Generation(installer=ANACONDA_33, kernel=(4, 18), systemd=239, network_profiles="ifcfg", modern=False)
EL9 = Generation(installer=ANACONDA_34, kernel=(5, 14), systemd=252, network_profiles="keyfile", modern=True)
EL10 = Generation(
    installer=ANACONDA_40,
    kernel=(6, 12),
    systemd=257,
    network_profiles="keyfile",
    modern=True,
    large_extent_counters=True,
)
