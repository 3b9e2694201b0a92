"""Asking one guest that runs what it is, over its virtio-serial port: no network is needed, and nobody else answers."""

from __future__ import annotations

import time
from dataclasses import replace

from imgpipe.adapters.machines import Machines
from imgpipe.deploy.definitions import REPORT_PORT
from imgpipe.deploy.existing import ExistingMachine, Proven
from imgpipe.errors import HostError, RecipeError
from imgpipe.identity.report import Report, ReportReader

_POLL_SECONDS = 0.2


def ask(machine: ExistingMachine, machines: Machines, seconds: float) -> ExistingMachine:
    """Return the machine with what its guest tells now: the fingerprints of its host keys, and its addresses.

    The fingerprints are kept in the machine's metadata. A guest that says nothing within `seconds`, such as one of
    Windows, leaves all as it was.
    """
    report = _heard(machine.name, machines, seconds)
    # Looked at again: meanwhile it may have been changed, or removed, and its name given to another one.
    now = _now(machine, machines)
    record = now.record if now else None
    if record is None or report is None:
        return machine
    if report.host_keys and report.host_keys != record.host_keys:
        machines.set_record(machine.name, replace(record, host_keys=report.host_keys))
    return replace(machine, record=replace(record, proven=Proven.by(report), host_keys=report.host_keys))


def _now(machine: ExistingMachine, machines: Machines) -> ExistingMachine | None:
    """Return the machine as it is now; None where its name is nobody's, or another one's."""
    try:
        found = machines.find(machine.name)
    except RecipeError:
        return None
    return found if found.uuid == machine.uuid else None


def _heard(name: str, machines: Machines, seconds: float) -> Report | None:
    end = time.monotonic() + seconds
    try:
        port = machines.open_port(name, REPORT_PORT)
    except HostError:
        # It has no such port, or ended just now.
        return None
    reports = ReportReader()
    try:
        while time.monotonic() < end and not port.ended:
            if report := reports.hear(port.read()):
                return report
            time.sleep(_POLL_SECONDS)
    finally:
        port.close()
    return None
