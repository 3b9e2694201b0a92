"""What debian-installer's serial console says about how far it is, and whether a person is waited for.

The console carries two things at once: the installer's syslog and the text frontend's own output, which may
stand before a syslog line without a line break between them. So no pattern is bound to the start of a line.
"""

from __future__ import annotations

from typing import NamedTuple


class Phase(NamedTuple):
    """A step: `pattern` is a regular expression that appears when it begins."""

    pattern: str
    label: str
    percent: int


def _menu(item: str) -> str:
    return rf"main-menu\[\d{{1,9}}\]: INFO: Menu item '{item}' selected"


# The per cents are shares of time, measured without KVM.
PROGRESS: tuple[Phase, ...] = (
    Phase(r"Linux version \d", "kernel", 1),
    Phase(r"preseed: successfully loaded preseed file", "answers read", 6),
    Phase(_menu("ethdetect"), "network hardware", 8),
    Phase(_menu("netcfg"), "network", 11),
    Phase(_menu("cdrom-detect"), "medium", 12),
    Phase(_menu("choose-mirror"), "mirror", 13),
    Phase(_menu("(anna|download-installer|load-cdrom)"), "installer's components", 14),
    Phase(_menu("disk-detect"), "disks", 15),
    Phase(_menu("partman-base"), "partitions", 17),
    Phase(_menu("bootstrap-base"), "base system", 24),
    Phase(r"debootstrap: Setting up base-files ", "base system: required packages", 38),
    Phase(r"base-installer: info: Found kernels", "kernel of the new system", 68),
    Phase(_menu("apt-setup-udeb"), "package sources", 80),
    Phase(_menu("pkgsel"), "requested packages", 82),
    Phase(_menu("grub-installer"), "boot loader", 88),
    Phase(_menu("finish-install"), "finishing", 96),
)

# No way on from any of these: the build ends at once instead of waiting for a time limit.
FAILURES: tuple[str, ...] = (
    r"IMGPIPE-INSTALL-FAIL (?P<reason>.{0,200})",
    r"Kernel panic - not syncing",
    r"main-menu\[\d{1,9}\]: WARNING \*\*: (?P<reason>Menu item '[^']{1,60}' failed)",
    r"main-menu\[\d{1,9}\]: WARNING \*\*: (?P<reason>Configuring '[^']{1,60}' failed with error code \d{1,9})",
    r"!! ERROR: (?P<reason>.{0,200})",
    r"Installation step failed",
    r"debootstrap: (E|error): (?P<reason>.{0,200})",
    r"in-target: E: (?P<reason>.{0,200})",
    r"base-installer: (?P<reason>error: exiting on error .{0,200})",
    r"Out of memory: Killed process",
    r"No space left on device",
    # The underline of a question's title; progress has none.
    r"^-{5,200}$",
)

# The text frontend stops here; an unattended installation has nobody to answer.
QUESTIONS: tuple[str, ...] = (
    r"Prompt: ('\?' for help|\d)",
    r"\[Press enter to continue\]",
    r"\[!!\]",
    r"Please press Enter to activate this console",
)

SUCCESS = r"IMGPIPE-INSTALL-OK (?P<token>[A-Za-z0-9-]{1,80})"
