"""The folders that images lie in: reached by QEMU's user, with direct I/O and with room."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.adapters.pool_folder import there
from imgpipe.adapters.qemu_user import first_closed_folder, qemu_user
from imgpipe.host.direct_io import has_direct_io
from imgpipe.host.distribution import this_host
from imgpipe.host.doctor.finding import Finding
from imgpipe.host.room import LEAST_INSTALL
from imgpipe.sizes import show_bytes

APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
AA_HELPERS = (Path("/usr/lib/libvirt/virt-aa-helper"), Path("/usr/libexec/virt-aa-helper"))
# What the commands named here are in, by the same name on every family; minimal hosts lack it.
_PACKAGES = {"setfacl": "acl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """What a folder is like; one that is not there yet is judged by the nearest one above it.

    `qemu` is the user that the system's QEMU runs as, empty where it runs as this user; `closed` the folder that it
    cannot enter. `direct_io` is None where it cannot be tried, because no file can be made there. `lacking` are the
    commands that install what mends it, by program.
    """

    path: Path
    free: int
    direct_io: bool | None
    writable: bool
    qemu: str = ""
    closed: Path | None = None
    root: bool = False
    lacking: Mapping[str, str] = field(default_factory=dict)


def gather(folder: Path, *, system: bool) -> FolderFacts:
    """Look at a folder; `system` says that machines run under the system's daemon."""
    present = there(folder)
    user = qemu_user() if system else None
    writable = os.access(present, os.W_OK | os.X_OK)
    return FolderFacts(
        path=folder,
        free=shutil.disk_usage(present).free,
        direct_io=has_direct_io(folder) if writable else None,
        writable=writable,
        qemu=user.pw_name if user else "",
        closed=_closed(folder, user),
        root=os.geteuid() == 0,
        lacking=_lacking(),
    )


def judge(facts: FolderFacts, own: Path | None) -> Iterator[Finding]:
    """Say what of a folder would stop a machine; what lies in `own`, the data root, is imgpipe's to change."""
    if not facts.writable:
        yield Finding(
            name="data root" if own else "pool",
            # libvirt writes where this user may not.
            state="fail" if own else "ok",
            meaning=f"'{facts.path}' may not be written by you{'' if own else '; libvirt does'}.",
            commands=("export IMGPIPE_HOME=~/.local/share/imgpipe",) if own else (),
        )
    yield _reach(facts, own)
    yield _direct_io(facts)


def judge_room(facts: FolderFacts, needed: int = LEAST_INSTALL, whole: int = 0) -> Finding:
    """Say whether a build fits: it needs `needed` bytes at least, and `whole` if its disk grows to its full size."""
    left = show_bytes(facts.free)
    if facts.free < needed:
        return Finding(
            name="room",
            state="fail",
            meaning=f"Only {left} are free in '{facts.path}', and at least {show_bytes(needed)} are needed.",
            commands=("imgpipe images prune", f"df -h {there(facts.path)}"),
        )
    if facts.free < whole:
        words = f"{left} are free in '{facts.path}'; the build's disks may grow to {show_bytes(whole)}."
        return Finding(name="room", state="warn", meaning=words, commands=("imgpipe images prune",))
    return Finding(name="room", state="ok", meaning=f"{left} are free in '{facts.path}'.")


def app_armor(enabled: Path = APPARMOR, helpers: tuple[Path, ...] = AA_HELPERS) -> Iterator[Finding]:
    """Say whether libvirt can confine machines, where AppArmor is on."""
    if not _reads(enabled, "Y"):
        return
    if any(helper.exists() for helper in helpers):
        yield Finding(name="AppArmor", state="ok", meaning="It is on; libvirt makes a profile for each machine.")
        return
    yield Finding(
        name="AppArmor",
        state="warn",
        meaning="It is on, but libvirt's 'virt-aa-helper' is not there: machines may not start.",
        commands=("apt-get install --reinstall libvirt-daemon",),
    )


def _reach(facts: FolderFacts, own: Path | None) -> Finding:
    if facts.closed is None:
        whose = f"QEMU's user '{facts.qemu}'" if facts.qemu else "QEMU, which runs as you,"
        return Finding(name="QEMU user", state="ok", meaning=f"{whose} reaches '{facts.path}'.")
    ours = own is not None and (facts.closed == own or own in facts.closed.parents)
    opens = ("chmod", "o+x", str(facts.closed))
    what = f"QEMU's user '{facts.qemu}' cannot enter '{facts.closed}'"
    outcome = "so QEMU runs as root, without that protection" if facts.root else "so no machine starts"
    first = _installs(facts, "setfacl")
    return Finding(
        name="QEMU user",
        state="warn" if facts.root else "fail",
        meaning=f"{what}, {outcome}.",
        # Letting everyone pass through somebody's folder is for its owner to decide.
        commands=(" ".join(opens),) if ours else (*first, f"setfacl -m u:{facts.qemu}:x {facts.closed}"),
        repairs=(opens,) if ours else (),
    )


def _direct_io(facts: FolderFacts) -> Finding:
    if facts.direct_io:
        return Finding(name="direct I/O", state="ok", meaning=f"The file system of '{facts.path}' has it.")
    if facts.direct_io is None and facts.writable:
        words = f"It cannot be tried in '{facts.path}', where no file can be made now."
        return Finding(name="direct I/O", state="unknown", meaning=words, commands=(f"df -hi {there(facts.path)}",))
    if facts.direct_io is None:
        words = f"It cannot be tried in '{facts.path}', which may not be written by you."
        return Finding(name="direct I/O", state="unknown", meaning=words, commands=("sudo imgpipe doctor",))
    return Finding(
        name="direct I/O",
        state="fail",
        meaning=f"The file system of '{facts.path}' refuses O_DIRECT: Linux machines, whose cache mode is 'none', "
        "do not start from it.",
        commands=("export IMGPIPE_HOME=/var/lib/imgpipe",),
    )


def _closed(folder: Path, user: pwd.struct_passwd | None) -> Path | None:
    if user is None or user.pw_uid == 0:
        return None
    return first_closed_folder((folder / "disk",), user)


def _lacking() -> dict[str, str]:
    here = this_host()
    if here.family == "unknown":
        return {}
    missing = {name: package for name, package in _PACKAGES.items() if not process.is_installed(name)}
    return {name: here.install_packages(package) for name, package in missing.items()}


def _installs(facts: FolderFacts, program: str) -> tuple[str, ...]:
    return (facts.lacking[program],) if program in facts.lacking else ()


def _reads(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == text
    except (OSError, UnicodeDecodeError):
        return False
