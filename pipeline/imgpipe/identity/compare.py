"""What was asked for against what guests report, and guests against one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_interface

from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.identity.digest import identity_digest, is_named_by
from imgpipe.identity.report import Report, ReportedNic


def faults(wanted: Identity, report: Report) -> tuple[str, ...]:
    """Return what is not as it was asked for, a sentence each; none if all is well.

    A NIC on DHCP must have some address, so a report from before its lease has a fault that passes.
    """
    return tuple(_faults(wanted, report))


def _faults(wanted: Identity, report: Report) -> Iterator[str]:
    if report.hostname != wanted.hostname:
        yield f"The host name is '{report.hostname}', not '{wanted.hostname}'."
    if not report.machine_id:
        yield "There is no machine-id."
    if not is_named_by(report.identity, wanted):
        digest = identity_digest(wanted)
        has = f"identity '{report.identity}' was" if report.identity else "no identity was"
        yield f"Of the identity '{digest}' nothing is known: {has} applied."
    for nic in wanted.nics:
        found = [item for item in report.nics if item.mac == nic.mac.lower()]
        yield from _nic_faults(nic, found[0], report.gateways) if found else (f"There is no NIC {nic.mac}.",)
    if report.failed:
        yield f"Units failed: {', '.join(report.failed)}."
    yield from (f"At the first boot: {problem}" for problem in report.problems)


def _nic_faults(nic: WantedNic, found: ReportedNic, gateways: tuple[str, ...]) -> Iterator[str]:
    has = ", ".join(found.addresses) or "none"
    if nic.address is None:
        if not any("." in address and not address.startswith("169.254.") for address in found.addresses):
            yield f"NIC {nic.mac} has no address from DHCP."
    elif str(nic.address) not in found.addresses:
        yield f"NIC {nic.mac} has not the address {nic.address} (it has {has})."
    elif nic.gateway and str(nic.gateway) not in gateways:
        yield f"NIC {nic.mac} has not the gateway {nic.gateway} (there are {', '.join(gateways) or 'none'})."


def duplicates(reports: Mapping[str, Report], *, apart: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return what two machines have in common and must not, a sentence each that names the machines.

    `reports` are by machine. `apart` are MAC addresses of NICs on networks of their own (user networking), whose
    addresses say nothing outside.
    """
    owners: dict[tuple[str, str], list[str]] = {}
    for name, report in reports.items():
        for item in dict.fromkeys(_marks(report, apart)):
            owners.setdefault(item, []).append(name)
    return tuple(
        f"{', '.join(repr(name) for name in names[:-1])} and '{names[-1]}' have the same {kind}: {value}."
        for (kind, value), names in owners.items()
        if len(names) > 1
    )


def _marks(report: Report, apart: frozenset[str]) -> Iterator[tuple[str, str]]:
    yield "host name", report.hostname
    if report.machine_id:
        yield "machine-id", report.machine_id
    yield from (("SSH host key", key) for key in report.host_keys)
    for nic in report.nics:
        yield "MAC address", nic.mac
        if nic.mac not in apart:
            yield from (("address", _plain(address)) for address in nic.addresses)


def _plain(address: str) -> str:
    try:
        return str(ip_interface(address).ip)
    except ValueError:
        return address
