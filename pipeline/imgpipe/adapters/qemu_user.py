"""The user that the system daemon runs QEMU as, and whether it can reach a machine's files.

libvirt gives a machine's files to that user, but not the folders above them: a checkout in /root (0700) is out of its
reach. There the machine runs as root, in QEMU's own seccomp sandbox, and says so.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.adapters.posix_acl import may_enter
from imgpipe.events import Listener, Note

_QEMU_CONF = Path("/etc/libvirt/qemu.conf")
# What distributions configure at build time: Debian and Ubuntu, then Enterprise Linux.
_USERS = ("libvirt-qemu", "qemu")


def run_as_root_if_needed(xml: str, notify: Listener) -> str:
    """Return the machine with a security label that lets it reach its files, where QEMU's own user cannot.

    Only root can be asked for that (libvirt's DAC driver); for anyone else the XML stays as it is.
    """
    if os.geteuid() != 0:
        return xml
    domain = ET.fromstring(xml)  # noqa: S314 (our own text)
    if not must_run_as_root(_files_of(domain), notify):
        return xml
    label = ET.SubElement(domain, "seclabel", type="static", model="dac", relabel="yes")
    ET.SubElement(label, "label").text = "+0:+0"
    return ET.tostring(domain, encoding="unicode")


def must_run_as_root(files: Iterable[Path], notify: Listener) -> bool:
    """Say whether QEMU's own user cannot reach one of `files`, so that only root can; tell so if it is.

    Never for anyone but root, who alone can ask for it.
    """
    user = qemu_user()
    if os.geteuid() != 0 or user is None or user.pw_uid == 0:
        return False
    closed = first_closed_folder(files, user)
    if closed is None:
        return False
    notify(
        Note(
            text=f"QEMU runs as root here, because its own user '{user.pw_name}' cannot enter '{closed}'; "
            "put imgpipe's data elsewhere with IMGPIPE_HOME to avoid it.",
            warning=True,
        )
    )
    return True


def first_closed_folder(files: Iterable[Path], user: pwd.struct_passwd) -> Path | None:
    """Return the topmost folder above `files` that `user` cannot enter, by its mode and access control list."""
    groups = set(os.getgrouplist(user.pw_name, user.pw_gid))
    for file in files:
        for folder in reversed(file.absolute().parents):
            try:
                if not may_enter(folder, user.pw_uid, groups):
                    return folder
            except OSError:
                continue
    return None


def _files_of(domain: ET.Element) -> Iterable[Path]:
    for tag in ("kernel", "initrd", "nvram"):
        yield from (Path(item.text) for item in domain.iterfind(f"os/{tag}") if item.text)
    for source in domain.iterfind("devices/*/source"):
        name = source.get("file") or source.get("path")
        if name and name.startswith("/"):
            yield Path(name)


def qemu_user() -> pwd.struct_passwd | None:
    """Return the user that the system's QEMU runs as; None where libvirt's is not known."""
    names = [*_configured(), *_USERS]
    for name in names:
        try:
            return pwd.getpwuid(int(name.lstrip("+"))) if name.lstrip("+").isdigit() else pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def _configured() -> list[str]:
    try:
        text = _QEMU_CONF.read_text(errors="replace")
    except OSError:
        return []
    return re.findall(r'^\s*user\s*=\s*"([^"]+)"', text, re.MULTILINE)[-1:]
