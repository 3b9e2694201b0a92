"""What SELinux of this host allows, by the loaded policy's own word: it is asked, so no list of types can be outdated.

The kernel answers anyone through selinuxfs, for domains other than the caller's too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from imgpipe.adapters import installed, process
from imgpipe.named_files import read_text

FILES = Path("/sys/fs/selinux")
_PERMISSIVE = 1
_GUEST = "svirt_t"
_Needs = Mapping[str, Mapping[str, tuple[str, ...]]]
_NEEDED: _Needs = {"daemon": {"file": ("relabelfrom", "relabelto")}, "guest": {"dir": ("search",)}}
# A file system that keeps no labels has one type for all its files, so that QEMU must be allowed to use just that.
_NEEDED_UNLABELLED: _Needs = {"guest": {"dir": ("search",), "file": ("open", "read", "write")}}


def is_there(files: Path = FILES) -> bool:
    """Say whether the kernel has SELinux and a policy is loaded."""
    return (files / "enforce").exists()


def enforces(files: Path = FILES) -> bool:
    """Say whether SELinux is there and enforces."""
    try:
        return (files / "enforce").read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False


def label_of(path: Path) -> str:
    """Return the SELinux context of a file or folder, 'user:role:type:level'; empty where it has none."""
    try:
        return os.getxattr(path, "security.selinux").decode(errors="replace").rstrip("\0")
    except OSError:
        return ""


def type_of(path: Path) -> str:
    """Return the SELinux type of a file or folder; empty where it has none."""
    context = label_of(path)
    return context.split(":")[2] if context.count(":") >= 2 else ""


def switches(names: Iterable[str], files: Path = FILES) -> dict[str, str]:
    """Return 'on' or 'off' of those booleans that the policy has; the first of the file's two numbers is in force."""
    words = {"1": "on", "0": "off"}
    found = {name: files / "booleans" / name for name in names}
    return {name: words.get(path.read_text("ascii")[:1], "?") for name, path in found.items() if path.exists()}


def own_rules(etc: Path = Path("/etc/selinux")) -> tuple[str, ...]:
    """Return the lines that 'semanage fcontext' made: a pattern of paths, perhaps a kind of file, and a context each.

    They are in `file_contexts.local` of the policy that /etc/selinux/config names.
    """
    try:
        named = re.search(r"^SELINUXTYPE=[ \t]*([\w-]+)", read_text(etc / "config"), re.MULTILINE)
        kind = named[1] if named else "targeted"
        lines = read_text(etc / kind / "contexts/files/file_contexts.local").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#"))


def daemon_type() -> str:
    """Return the domain that the daemon which serves here runs in: the one its program's own type is named after."""
    serving = installed.daemons()
    path = process.which(serving.program) if serving else None
    kind = type_of(Path(path)) if path else ""
    return kind.replace("_exec_t", "_t") if kind.endswith("_exec_t") else "virtd_t"


def refused_to_machines(kind: str, *, keeps_labels: bool, files: Path = FILES) -> tuple[str, ...] | None:
    """Return what of a machine's use of files of type `kind` the policy refuses, as 'DOMAIN: PERMISSION'.

    None where the policy cannot be asked.
    """
    domains = {"daemon": daemon_type(), "guest": _GUEST}
    wanted = _NEEDED if keeps_labels else _NEEDED_UNLABELLED
    try:
        return tuple(
            f"{domains[who]}: {permission} of a {name}"
            for who, classes in wanted.items()
            for name, permissions in classes.items()
            for permission in _refused(domains[who], kind, name, permissions, files)
        )
    except (OSError, ValueError, IndexError):
        return None


def _refused(source: str, target: str, name: str, permissions: Iterable[str], files: Path) -> tuple[str, ...]:
    folder = files / "class" / name
    question = f"system_u:system_r:{source}:s0-s0:c0.c1023 system_u:object_r:{target}:s0 {_number(folder / 'index')}"
    allowed, permissive = _access(question, files)
    if permissive:
        return ()
    bits = ((each, 1 << (_number(folder / "perms" / each) - 1)) for each in permissions)
    return tuple(each for each, bit in bits if not allowed & bit)


def _access(question: str, files: Path) -> tuple[int, bool]:
    """Ask the kernel: which permissions there are, as bits, and whether the domain is only warned."""
    descriptor = os.open(files / "access", os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(descriptor, question.encode())
        answer = os.read(descriptor, 4096).decode("ascii").rstrip("\0").split()
    finally:
        os.close(descriptor)
    # allowed, decided, audited when allowed, audited when denied, serial number, flags
    return int(answer[0], 16), bool(int(answer[5], 16) & _PERMISSIVE)


def _number(path: Path) -> int:
    return int(path.read_text(encoding="ascii"))


def keeps_labels(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Say whether files on the file system of `path` have labels of their own; true where that is not told."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if words[2:3] == [wanted]:
            return "seclabel" in words[-1].split(",") or "seclabel" in words[5].split(",")
    return True
