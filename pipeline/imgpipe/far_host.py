"""The host of a libvirt connection that leads elsewhere: what is said about it must not be of this host's daemons."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from urllib.parse import unquote, urlsplit

_UNITS = "libvirtd.socket virtqemud.socket"


@dataclass(frozen=True, slots=True, kw_only=True)
class FarHost:
    """A host and how this user's ssh gets there (https://libvirt.org/uri.html); `user` is empty where none is named."""

    name: str
    user: str = ""
    ssh: str = ""

    @property
    def status(self) -> str:
        """The command that shows how libvirt's daemons are there."""
        return f"{self.ssh} systemctl status {_UNITS}"

    @property
    def journal(self) -> str:
        """The command that shows what they said."""
        return f"{self.ssh} sudo journalctl -b -u libvirtd -u virtqemud"


def far_host(uri: str) -> FarHost | None:
    """Return the host that a URI names; None where the daemon is this host's, or the URI cannot be read."""
    try:
        parts = urlsplit(uri)
        name, user, port = parts.hostname or "", unquote(parts.username or ""), parts.port
    except ValueError:
        return None
    if not name:
        return None
    # A port is ssh's only where ssh is the transport.
    ported = f"-p {port} " if port and parts.scheme.partition("+")[2] in {"ssh", "libssh", "libssh2"} else ""
    return FarHost(name=name, user=user, ssh=f"ssh {ported}{quote(f'{user}@{name}' if user else name)}")
