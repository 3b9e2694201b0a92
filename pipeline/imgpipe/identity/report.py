"""What a guest says of itself: one line of JSON, written by guest/report.sh. Guests are hostile: all is bounded."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from imgpipe.errors import GuestError

CHANNEL = "org.imgpipe.report.0"
"""The virtio-serial port that guests report on."""
LONGEST_LINE = 64 * 1024
_MOST_TRIED = 16

_Text = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ._:/@+=,;'()-]*$", max_length=256)]
_Address = Annotated[str, StringConstraints(pattern=r"^[0-9a-f.:]{2,45}(/[0-9]{1,3})?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ReportedNic(_Part):
    """A NIC with its addresses of global scope, each with its prefix ('10.100.1.10/24')."""

    name: _Text
    mac: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
    addresses: Annotated[tuple[_Address, ...], Field(max_length=64)]


class Report(_Part):
    """A guest's report. `identity` is the digest of the identity that it has applied, empty if none.

    `state` is what `systemctl is-system-running` says, `failed` names units, `problems` are what went wrong while
    the identity was applied.
    """

    version: Literal[1]
    hostname: _Text
    machine_id: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{32})?$")]
    host_keys: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")], ...], Field(max_length=32)
    ]
    nics: Annotated[tuple[ReportedNic, ...], Field(max_length=64)]
    gateways: Annotated[tuple[_Address, ...], Field(max_length=64)]
    identity: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{16})?$")]
    state: _Text
    failed: Annotated[tuple[_Text, ...], Field(max_length=64)]
    problems: Annotated[tuple[_Text, ...], Field(max_length=64)]

    @property
    def started(self) -> bool:
        """Whether the boot is over, well or not."""
        return self.state in {"running", "degraded"}

    @property
    def macs(self) -> tuple[str, ...]:
        """The MAC addresses of all NICs."""
        return tuple(nic.mac for nic in self.nics)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of all NICs."""
        return tuple(address for nic in self.nics for address in nic.addresses)


def parse_report(line: bytes) -> Report:
    """Return what one line says; raises GuestError for anything that is not a whole report."""
    if len(line) > LONGEST_LINE:
        raise GuestError(f"The guest's report is longer than {LONGEST_LINE} bytes.")
    try:
        return Report.model_validate_json(line)
    except ValidationError as error:
        where = sorted({".".join(map(str, fault["loc"][:2])) or "the line" for fault in error.errors()})
        raise GuestError("The guest's report cannot be understood.", details=where[:10]) from None


class ReportReader:
    """Finds whole reports in what comes over a channel, piece by piece."""

    def __init__(self) -> None:
        self._open = b""

    def hear(self, data: bytes) -> Report | None:
        """Return the newest whole report that ends in this piece, None if there is none."""
        report = last_report(self._open + data)
        # What follows the last line break is the beginning of a line; of one that never ends, nothing is kept.
        rest = (self._open + data).rpartition(b"\n")[2]
        self._open = rest if len(rest) <= LONGEST_LINE else b""
        return report


def last_report(data: bytes) -> Report | None:
    """Return the newest whole report in what came over the channel, None if there is none.

    The first line of a connection may be the end of one that was written for another; empty lines are knocks. Of a
    flood of lines that only begin like reports, the last few are tried.
    """
    likely = (line for line in reversed(data.split(b"\n")[:-1]) if line.startswith(b"{"))
    for line in islice(likely, _MOST_TRIED):
        try:
            return parse_report(line)
        except GuestError:
            continue
    return None
