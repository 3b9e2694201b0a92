"""libvirt's failures, told as HostError: one sentence of what is wrong and a hint of what to do."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

import libvirt

from imgpipe.adapters import image_locks, installed, libvirt_sockets, selinux
from imgpipe.errors import HostError
from imgpipe.far_host import FarHost, far_host

_CONNECTION_LOST = {
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_INTERNAL_ERROR,
}
_LOST_TEXT = re.compile(
    r"client socket is closed|end of file while reading|connection reset|broken pipe|connection closed"
    r"|failed to connect socket|cannot recv data|keepalive|connection refused",
    re.IGNORECASE,
)
_IN_USE = re.compile(
    r'Failed to get (?:shared )?"[a-z]+" lock\s+Is another process using the image \[(?P<path>/[^\]]+)\]'
)
_STORAGE = re.compile(r"Cannot access storage file '(?P<path>[^']+)' \(as uid:(?P<uid>\d+), gid:(?P<gid>\d+)\)")
# libvirt and QEMU have many sentences for it; each ends with the path and errno's text.
_DENIED = re.compile(r"(?:'(?P<quoted>/[^'\n]+)'|(?P<bare>/[^\s':]+)): Permission denied", re.IGNORECASE)


@contextmanager
def told_as_host_error(uri: str, doing: str) -> Iterator[None]:
    """Turn libvirt's error into HostError; `doing` completes 'libvirt could not ...'."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise host_error(error, uri, doing) from error


def silence() -> None:
    """Keep libvirt from printing its errors on stderr; each is raised as well."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


def is_gone(error: libvirt.libvirtError) -> bool:
    """Say whether the error means that the domain does not exist (any more)."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN)


def host_error(error: libvirt.libvirtError, uri: str, doing: str) -> HostError:
    """Return the HostError that tells `error`; a connection that is lost is ended for all who wait on it."""
    text = str(error.get_error_message() or error)
    far = far_host(uri)
    if _refuses(error, text):
        return HostError(
            f"The libvirt daemon at '{uri}' refuses you.",
            hint=f"Join the group 'libvirt' on '{far.name}', as the user that you are there."
            if far
            else "Join the group 'libvirt' and log in again, or use 'qemu:///session'.",
            details=(text,),
        )
    # A machine's monitor is a socket too, whose end says nothing about the daemon.
    if error.get_error_code() in _CONNECTION_LOST and _LOST_TEXT.search(text) and "monitor" not in text:
        libvirt_sockets.sever(uri)
        return HostError(
            f"The libvirt daemon at '{uri}' does not answer.",
            hint=f"It is on '{far.name}': '{far.status}' shows how it is. Then run the command again."
            if far
            else f"Start it ('{installed.starting(_named_daemon(text))}'), then run the command again.",
            details=(text,),
        )
    if far:
        return HostError(f"libvirt could not {doing}.", hint=_far_hint(text, far), details=_last_lines(text))
    return _of_this_host(text, doing)


def _of_this_host(text: str, doing: str) -> HostError:
    if match := _IN_USE.search(text):
        who, advice = image_locks.whose(Path(match["path"]))
        return HostError(
            f"libvirt could not {doing}: '{match['path']}' is in use {who}.",
            hint=advice,
            details=tuple(text.splitlines()),
        )
    if match := _STORAGE.search(text):
        return _storage_error(Path(match["path"]), int(match["uid"]), int(match["gid"]), text)
    if match := _DENIED.search(text):
        return _storage_error(Path(match["quoted"] or match["bare"]), -1, -1, text)
    return HostError(f"libvirt could not {doing}.", hint=_hint(text), details=_last_lines(text))


def _last_lines(text: str) -> tuple[str, ...]:
    return tuple(text.splitlines()[-20:])


def _named_daemon(text: str) -> str:
    """Return the daemon whose socket libvirt names; empty where it names none."""
    found = re.search(r"/(libvirt|virt[a-z]{3,20}d)-sock(?:-ro)?'", text)
    return {"libvirt": "libvirtd"}.get(found[1], found[1]) if found else ""


def _refuses(error: libvirt.libvirtError, text: str) -> bool:
    """Whether the daemon is there and does not let this user in."""
    refused = {libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_UNAVAILABLE}
    return error.get_error_code() in refused or ("ermission denied" in text and "socket" in text)


def blocked_folder(path: Path, uid: int, gid: int) -> Path | None:
    """Return the outermost folder above `path` that user `uid` cannot pass through; None if there is none.

    Judged by mode bits alone; access control lists and security modules are not looked at.
    """
    for folder in reversed(path.parents):
        try:
            status = folder.stat()
        except OSError:
            return folder
        if uid == status.st_uid:
            passes = status.st_mode & stat.S_IXUSR
        elif gid == status.st_gid:
            passes = status.st_mode & stat.S_IXGRP
        else:
            passes = status.st_mode & stat.S_IXOTH
        if uid != 0 and not passes:
            return folder
    return None


def _storage_error(path: Path, uid: int, gid: int, text: str) -> HostError:
    folder = blocked_folder(path, uid, gid) if uid >= 0 else None
    if folder:
        return HostError(
            f"QEMU cannot reach '{path}', because its user may not pass through '{folder}'.",
            hint=f"Run 'chmod o+x {quote(str(folder))}', or put imgpipe's data elsewhere with IMGPIPE_HOME.",
            details=(text,),
        )
    who = "libvirt's log daemon" if "virtlogd" in text else "QEMU"
    kind = selinux.type_of(path)
    if kind and selinux.enforces():
        return HostError(
            f"{who} may not open '{path}', whose SELinux type is '{kind}'.",
            hint="See what was refused with 'ausearch -m AVC -ts boot', and 'imgpipe doctor' for what mends it; "
            f"'restorecon -v {quote(str(path))}' gives the file the type that its place has.",
            details=(text,),
        )
    return HostError(
        f"{who} may not open '{path}'.",
        hint="Look at the file's owner and mode, and at AppArmor's or SELinux's log; "
        "the user that QEMU of qemu:///system runs as is set in /etc/libvirt/qemu.conf.",
        details=(text,),
    )


def _far_hint(text: str, far: FarHost) -> str:
    """Return what to do on another host: nothing is known of its files, and of which daemons it has."""
    if match := _IN_USE.search(text):
        return f"On '{far.name}' another process uses the file: '{far.ssh} sudo fuser -v {quote(match['path'])}'."
    if match := _STORAGE.search(text) or _DENIED.search(text):
        path = next(value for key, value in match.groupdict().items() if value and key in ("path", "quoted", "bare"))
        return (
            f"Look on '{far.name}' at the file's owner and mode, and at AppArmor's or SELinux's log: "
            f"'{far.ssh} ls -lZ {quote(path)}'; the user that QEMU of qemu:///system runs as is set in "
            "/etc/libvirt/qemu.conf there."
        )
    known = _known_hint(text)
    return f"On '{far.name}': {known}" if known else f"Look at the log of libvirt on '{far.name}': '{far.journal}'."


def _hint(text: str) -> str:
    if "virtlogd" in text:
        return f"Start libvirt's log daemon: '{installed.starting('virtlogd')}'."
    return _known_hint(text) or f"Look at libvirt's own log: {installed.journal()}."


def _known_hint(text: str) -> str:
    """Return what mends what QEMU or libvirt said, on whichever host; empty where that is not known."""
    if "Unable to find" in text and "firmware" in text:
        return "Install the UEFI firmware that has what the recipe asks for: package 'ovmf' or 'edk2-ovmf'."
    if "swtpm" in text:
        return "Install the packages 'swtpm' and 'swtpm-tools'."
    if "Cannot allocate memory" in text or "cannot set up guest memory" in text:
        return "The host is out of memory: end other machines, or give this one less."
    if "jit buffer" in text and "ermission denied" in text:
        # The reference policy, Debian's for one, has one type for all machines and takes this from it.
        return (
            "SELinux keeps QEMU from emulating machines: 'setsebool -P virt_use_execmem on' lets it, KVM needs it not."
        )
    return ""
