"""What SELinux refused, as the audit daemon wrote it down, step by step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

_LOG = Path("/var/log/audit/audit.log")
# The audit daemon writes a record some moments after the kernel made it.
_SETTLES_S = 2
# The form of auditd's records: 'type=AVC msg=audit(...): avc:  denied  { open } for  pid=1 comm="x" ... key=value ...'.
_DENIED = re.compile(r"type=(AVC|USER_AVC) .*?avc:  ?denied  ?\{ (?P<what>[^}]*) \}(?P<rest>.*)")
# The domains that a machine and its makers run in; what the others are refused is the policy's own affair.
_OF_LIBVIRT = ("virt", "svirt", "qemu", "swtpm")
_FIELD = re.compile(r'\b(comm|path|name|scontext|tcontext|tclass|permissive)=(?:"([^"]*)"|(\S+))')


class AuditLog:
    """The log from where it was read last."""

    def __init__(self) -> None:
        self._read = 0

    def new(self) -> list[dict[str, str]]:
        """Return what was refused to libvirt's daemons and machines since the last call, each once."""
        time.sleep(_SETTLES_S)
        with _LOG.open("rb") as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        every = [one for one in _denials(text.decode(errors="replace")) if one["source"].startswith(_OF_LIBVIRT)]
        return [one for place, one in enumerate(every) if one not in every[:place]]


def _denials(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        if found := _DENIED.search(line):
            fields = {key: quoted or bare.rstrip("'") for key, quoted, bare in _FIELD.findall(found["rest"])}
            yield {
                "what": found["what"],
                "source": type_of(fields.get("scontext", "")),
                "target": type_of(fields.get("tcontext", "")),
                "class": fields.get("tclass", ""),
                "object": fields.get("path") or fields.get("name", ""),
                "program": fields.get("comm", ""),
                "permissive": fields.get("permissive", ""),
            }


def type_of(context: str) -> str:
    """Return the type of 'user:role:type:level'; what is no context stays as it is."""
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else context
