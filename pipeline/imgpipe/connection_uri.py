"""libvirt's connection URIs as a file may state them: such a one starts no program but ssh, and reads no file.

On a command line or in the environment a URI is the caller's own word. A file comes from elsewhere: from an archive, a
colleague, a folder that somebody was asked to look at.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

from imgpipe.errors import RecipeError

# 'ext' starts the program that 'command' names.
_TRANSPORTS = frozenset({"", "unix", "ssh", "tls", "tcp", "libssh", "libssh2"})
# Not among them: command, netcat, socket, proxy, keyfile, pkipath, known_hosts, no_verify and what else names programs,
# files or sockets, or switches checks off (https://libvirt.org/uri.html).
_PARAMETERS = frozenset({"mode", "no_tty", "sshauth"})


def fault_in_file(uri: str) -> str:
    """Return why a file may not state this URI, as the rest of a sentence; empty where it may."""
    rest, _, query = uri.partition("#")[0].partition("?")
    scheme, colon, where = rest.partition(":")
    transport = scheme.partition("+")[2].lower()
    if not colon:
        return "" if re.fullmatch(r"[A-Za-z0-9_-]*", rest) else "is neither a URI nor an alias of libvirt.conf"
    if transport not in _TRANSPORTS:
        return f"has the transport '{transport}', which a file may not choose"
    authority = unquote(re.split("/", where.removeprefix("//"), maxsplit=1)[0]) if where.startswith("//") else ""
    if any(part.startswith("-") for part in (authority, *authority.split("@"))):
        return "has a host or user that begins with '-', which ssh would take for an option"
    for pair in re.split("[&;]", query):
        name = unquote(pair.partition("=")[0]).strip().lower()
        if name and name not in _PARAMETERS:
            return f"has the parameter '{name}', which a file may not give"
    return ""


def chosen_uri(uri: str | None) -> str:
    """Return what `connect` connects to; raises RecipeError for what is no text."""
    own = "qemu:///system" if os.geteuid() == 0 else "qemu:///session"
    chosen = uri or os.environ.get("LIBVIRT_DEFAULT_URI") or own
    if any("\ud800" <= letter <= "\udfff" for letter in chosen):
        raise RecipeError("The libvirt connection is no text in UTF-8.", hint="Look at LIBVIRT_DEFAULT_URI.")
    return chosen
