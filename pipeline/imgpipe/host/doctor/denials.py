"""What SELinux refused libvirt's daemons and their machines since this host started, by the audit daemon's log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import selinux
from imgpipe.disclosure import printable
from imgpipe.host.doctor.finding import Finding
from imgpipe.named_files import open_regular

LOG = Path("/var/log/audit/audit.log")
STAT = Path("/proc/stat")
# Of a long log the end is read; a line of it is some 300 bytes.
_MOST_BYTES = 8 * 2**20
_MOST_SHOWN = 5
_LONGEST_LINE = 8192
_DOMAINS = frozenset(
    [
        "svirt_t",
        "svirt_tcg_t",
        "virtqemud_t",
        "virtd_t",
        "virtlogd_t",
        "virtstoraged_t",
        "virtnetworkd_t",
        "virtproxyd_t",
        "virtnwfilterd_t",
        "dnsmasq_t",
        "passt_t",
        "swtpm_t",
    ]
)
# The form of auditd's records: 'type=AVC msg=audit(SECONDS.MS:SERIAL): avc:  denied  { open } for ... key=value ...'.
_RECORD = re.compile(r"type=AVC msg=audit\((?P<seconds>\d{1,12})\.\d+:\d+\): +avc: +denied +\{ (?P<what>[a-z_ ]+) \}")
_FIELD = re.compile(r'\b(path|name|scontext|tcontext|tclass|permissive)=(?:"([^"]*)"|(\S+))')
# A name with a blank, a quote or a control character is written as hexadecimal digits without quotes.
_ENCODED = re.compile(r"(?:[0-9A-F]{2})+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """What the kernel refused, or only noted (`permissive`); `source` and `target` are SELinux types."""

    source: str
    what: str
    kind: str
    name: str
    target: str
    permissive: bool

    def __str__(self) -> str:
        """Return it as words of a sentence."""
        what = self.what.replace(" ", ", ")
        return printable(f"{self.source} to {what} the {self.kind} '{self.name}' of type {self.target}")


def judge(log: Path = LOG, stat: Path = STAT) -> Iterator[Finding]:
    """Yield a finding where something was refused or the log cannot be read; none where SELinux does not enforce."""
    if not selinux.enforces():
        return
    try:
        # The latest first: it is what just failed, and QEMU is refused a few things by some policies at every start.
        told = [str(one) for one in recorded(log, stat) if not one.permissive]
        refused = tuple(dict.fromkeys(reversed(told)))
    except OSError:
        # root alone may read it, and a host may have no audit daemon.
        yield Finding(
            name="SELinux denials",
            state="unknown",
            meaning=f"SELinux enforces, and what it refused since the host's start cannot be read in '{log}': root may "
            "read it; where there is no audit daemon, it is among the kernel's messages.",
            commands=("sudo ausearch -m AVC -ts boot", "journalctl -k --grep 'avc: .denied'"),
        )
        return
    if refused:
        more = f", and {len(refused) - _MOST_SHOWN} more" if len(refused) > _MOST_SHOWN else ""
        yield Finding(
            name="SELinux denials",
            state="warn",
            meaning=f"Since this host started SELinux refused: {'; '.join(refused[:_MOST_SHOWN])}{more}.",
            commands=("ausearch -m AVC -ts boot",),
        )


def recorded(log: Path = LOG, stat: Path = STAT) -> Iterator[Denial]:
    """Yield each record of libvirt's daemons and machines since this host started; raises OSError."""
    since = _started(stat)
    with open_regular(log) as file:
        file.seek(max(0, file.seek(0, 2) - _MOST_BYTES))
        lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    for line in lines:
        cut = line[:_LONGEST_LINE]
        record = _RECORD.search(cut)
        if record is None or int(record["seconds"]) < since:
            continue
        fields = {key: quoted or _decoded(key, bare) for key, quoted, bare in _FIELD.findall(cut)}
        source, target = (_type(fields.get(key, "")) for key in ("scontext", "tcontext"))
        if source in _DOMAINS:
            yield Denial(
                source=source,
                what=record["what"],
                kind=fields.get("tclass", "object"),
                name=fields.get("path") or fields.get("name", "?"),
                target=target,
                permissive=fields.get("permissive") == "1",
            )


def _decoded(key: str, bare: str) -> str:
    encoded = key in {"path", "name"} and _ENCODED.fullmatch(bare)
    return bytes.fromhex(bare).decode("utf-8", "replace") if encoded else bare


def _type(context: str) -> str:
    return context.split(":")[2] if context.count(":") >= 2 else "?"


def _started(stat: Path) -> int:
    """Return when this host started, in seconds since 1970 (proc_stat(5)); 0 where that is not told."""
    found = re.search(r"^btime (\d+)$", stat.read_text(encoding="ascii"), re.MULTILINE)
    return int(found[1]) if found else 0
