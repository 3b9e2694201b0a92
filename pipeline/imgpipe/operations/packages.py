"""What package managers keep and can fetch or make again."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove

_CACHES = (
    "/var/cache/dnf/*",
    "/var/cache/libdnf5/*",
    "/var/cache/yum/*",
    "/var/cache/zypp*/*",
    "/var/cache/PackageKit/*",
    "/var/cache/apt/*.bin",
    "/var/cache/apt/archives/*",
)
_APT_LISTS = ("/var/lib/apt/lists/*", "/var/lib/apt/lists/partial/*")
_RPM_SCRATCH = ("/var/lib/rpm/__db.*", "/usr/lib/sysimage/rpm/__db.*", "/var/lib/rpm/.rpm.lock")
_HISTORY = ("/var/lib/dnf/history*", "/var/lib/yum/history/*", "/usr/lib/sysimage/libdnf5/transaction_history*")
# apt and dnf want these folders, with their owners.
_FOLDERS = ("/var/cache/apt/archives/partial", "/var/lib/apt/lists/partial", "/var/lib/apt/lists/auxfiles")

OPERATIONS = (
    Operation(
        name="package-caches",
        description="Remove downloaded packages and the metadata caches of dnf, yum, zypper, PackageKit and apt.",
        steps=(
            Remove(patterns=("/var/cache/apt/archives/partial/*",)),
            Remove(patterns=_CACHES, keep=_FOLDERS),
        ),
        sealed=(Absent(patterns=_CACHES, keep=_FOLDERS),),
    ),
    Operation(
        name="apt-lists",
        description="Remove apt's lists of what its sources offer; 'apt update' fetches them anew.",
        steps=(Remove(patterns=_APT_LISTS, keep=_FOLDERS),),
        sealed=(Absent(patterns=_APT_LISTS, keep=_FOLDERS),),
    ),
    Operation(
        name="rpm-scratch",
        description="Remove the scratch files of the RPM database, which hold this host's locks.",
        steps=(Remove(patterns=_RPM_SCRATCH),),
        sealed=(Absent(patterns=_RPM_SCRATCH),),
    ),
    Operation(
        name="package-history",
        description="Remove dnf's history, and with it the knowledge which packages were asked for.",
        # Off, for 'dnf autoremove' in a clone needs what it says.
        steps=(Remove(patterns=_HISTORY),),
        sealed=(Absent(patterns=_HISTORY),),
        default=False,
    ),
)
