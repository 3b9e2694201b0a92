"""Persistent machines of a libvirt daemon: listing, defining, starting, stopping and removing them."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.adapters.disk_inventory import disk_uses, snapshot_files
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.libvirt_errors import host_error, is_gone, told_as_host_error
from imgpipe.adapters.machine_streams import MachineStream, open_console, open_port
from imgpipe.adapters.reaper import waited_for
from imgpipe.deploy import metadata
from imgpipe.deploy.definition_files import NamedFiles, disk_of, named_files
from imgpipe.deploy.existing import ExistingMachine, ExistingNic, MachineRecord
from imgpipe.deploy.ownership import believed
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.disk_uses import DiskUses
from imgpipe.libvirt_words import described, number_in
from imgpipe.natural_order import natural

_POLL_SECONDS = 0.25
# Everything that libvirt keeps of a machine beside its definition.
_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)
# libvirt writes memory in KiB, whatever unit it was given in.
_KIB = 1024
_ALREADY = libvirt.VIR_ERR_OPERATION_INVALID


class Machines:
    """The machines of one daemon; may be used from several threads at once. Every failure is HostError."""

    def __init__(self, hypervisor: Hypervisor, elsewhere: Callable[[], Iterable[DiskUses]] = tuple) -> None:
        """Take the daemon of `hypervisor`; `elsewhere` asks the other daemons whose machines have this host's disks."""
        self.uri = hypervisor.uri
        self._elsewhere = elsewhere
        self._connection = hypervisor.connection
        self._local = hypervisor.local
        self._hold_log_daemon = hypervisor.hold_log_daemon
        self._notify = hypervisor.notify

    def list(self, *, sizes: bool = True) -> tuple[ExistingMachine, ...]:
        """Return all machines, sorted by name as people count; `sizes` also asks what their disks use."""
        with told_as_host_error(self.uri, "list the machines"):
            domains = self._connection.listAllDomains()
            autostart, transient, running = (
                {domain.UUID() for domain in self._connection.listAllDomains(flag)}
                for flag in (
                    libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
                    libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT,
                    libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE,
                )
            )
        found: list[tuple[libvirt.virDomain, str]] = []
        for domain in domains:
            try:
                # What a persistent machine shall be is in its inactive definition; a transient one has no other.
                xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
            except libvirt.libvirtError as error:
                if is_gone(error):
                    continue
                raise host_error(error, self.uri, "read a machine's definition") from error
            found.append((domain, xml))
        disks = self._disk_sizes(found) if sizes else {}
        machines = []
        for domain, xml in found:
            known = domain.UUID()
            seen = _existing(xml, active=known in running, autostart=known in autostart, disks=disks)
            machines.append(replace(self._seen(seen), persistent=known not in transient))
        return believed(sorted(machines, key=lambda machine: natural(machine.name)))

    def find(self, name: str) -> ExistingMachine:
        """Return one machine; raises RecipeError if there is none of that name."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"look at the machine '{name}'"):
            autostart, active = bool(domain.autostart()), domain.isActive() == 1
            xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        disks = self._disk_sizes([(domain, xml)])
        found = self._seen(_existing(xml, active=active, autostart=autostart, disks=disks))
        # What an earlier version wrote is judged beside all others.
        beside = self.list(sizes=False) if found.record and not found.record.uuid else ()
        return believed((found, *(one for one in beside if one.uuid != found.uuid)))[0]

    def named_files(self) -> tuple[NamedFiles, ...]:
        """Return the files that each machine's definitions name; raises HostError if one of them cannot be read."""
        named: list[NamedFiles] = []
        with told_as_host_error(self.uri, "read what files the machines have"):
            for domain in self._connection.listAllDomains():
                try:
                    texts = (domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE), domain.XMLDesc())
                except libvirt.libvirtError as error:
                    if not is_gone(error):
                        raise
                    continue
                named.append(named_files(*texts))
        return tuple(named)

    def snapshot_files(self, name: str) -> frozenset[str]:
        """Return the files that a machine's external snapshots made; nothing for one that is gone."""
        with told_as_host_error(self.uri, f"list the snapshots of '{name}'"):
            try:
                return snapshot_files(self._connection.lookupByName(name))
            except libvirt.libvirtError as error:
                if not is_gone(error):
                    raise
                return frozenset()

    def disk_uses(self) -> DiskUses:
        """Return the disks of all machines and volumes, whoever made them, with what is below each."""
        return disk_uses(self._connection, self.uri, local=self._local)

    def disk_uses_elsewhere(self) -> tuple[DiskUses, ...]:
        """Return what other daemons told of disks of this host."""
        return tuple(self._elsewhere())

    def xml(self, name: str) -> str:
        """Return the definition that the machine starts from."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"read the definition of '{name}'"):
            return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def define(self, xml: str) -> None:
        """Define a machine, or define it anew: it stays off, or goes on as it runs."""
        with told_as_host_error(self.uri, "accept the machine's definition"):
            self._connection.defineXML(xml)

    def start(self, name: str, *, paused: bool = False, ended_with_us: bool = False) -> None:
        """Start a machine; one that runs already is fine. `ended_with_us` ends it with this connection."""
        flags = libvirt.VIR_DOMAIN_START_PAUSED if paused else 0
        flags |= libvirt.VIR_DOMAIN_START_AUTODESTROY if ended_with_us else 0
        self._hold_log_daemon()
        domain = self._lookup(name)
        try:
            domain.createWithFlags(flags)
        except libvirt.libvirtError as error:
            if error.get_error_code() != _ALREADY:
                raise host_error(error, self.uri, f"start the machine '{name}'") from error

    def names(self) -> frozenset[str]:
        """Return the names of all machines."""
        with told_as_host_error(self.uri, "list the machines"):
            return frozenset(domain.name() for domain in self._connection.listAllDomains())

    def active(self) -> frozenset[str]:
        """Return the names of all machines that run or are paused."""
        with told_as_host_error(self.uri, "list the machines"):
            domains = self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            return frozenset(domain.name() for domain in domains)

    def stop(self, name: str, seconds: float) -> bool:
        """Ask the guest to shut down and wait for it; False if it still runs when the time is over."""
        domain = self._lookup(name)
        end = time.monotonic() + seconds
        try:
            # A guest that is paused hears of nothing.
            if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
                return False
            while domain.isActive() == 1:
                if time.monotonic() > end:
                    return False
                # Asked again: a guest that is still booting overhears the power button.
                domain.shutdown()
                self._wait_off(domain, min(end, time.monotonic() + 20))
        except libvirt.libvirtError as error:
            if error.get_error_code() != _ALREADY and not is_gone(error):
                raise host_error(error, self.uri, f"shut down the machine '{name}'") from error
        return True

    def force_stop(self, name: str) -> None:
        """End the machine at once; one that is off already is fine."""
        with waited_for(name, self.uri, self._notify):
            try:
                self._connection.lookupByName(name).destroy()
            except libvirt.libvirtError as error:
                if error.get_error_code() != _ALREADY and not is_gone(error):
                    raise host_error(error, self.uri, f"end the machine '{name}'") from error

    def remove(self, name: str, *, keep_nvram: bool, keep_tpm: bool) -> None:
        """End and undefine a machine, with its saved state and metadata; gone already is fine.

        Its UEFI variables and the state of its TPM go with it unless they are to be kept. Its disks are volumes of a
        pool, and are to be deleted before: they are found by its metadata.
        """
        self.force_stop(name)
        flags = _UNDEFINE | (
            libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM if keep_nvram else libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
        )
        # libvirt has had these since 8.9.
        flags |= getattr(libvirt, f"VIR_DOMAIN_UNDEFINE_{'KEEP_' * keep_tpm}TPM", 0)
        try:
            self._connection.lookupByName(name).undefineFlags(flags)
        except libvirt.libvirtError as error:
            if not is_gone(error):
                raise host_error(error, self.uri, f"remove the machine '{name}'") from error

    def set_autostart(self, name: str, wanted: bool) -> None:
        """Say whether the machine starts with the host."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"set the autostart of '{name}'"):
            domain.setAutostart(int(wanted))

    def set_record(self, name: str, record: MachineRecord) -> None:
        """Write what imgpipe knows of the machine into its metadata, that of a running one too."""
        domain = self._lookup(name)
        where = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        with told_as_host_error(self.uri, f"write the metadata of '{name}'"):
            if domain.isActive() == 1:
                where |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            domain.setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                metadata.to_bare_xml(replace(record, uuid=domain.UUIDString())),
                metadata.PREFIX,
                metadata.NAMESPACE,
                where,
            )

    def drop_record(self, name: str) -> None:
        """Remove what imgpipe keeps in the machine's metadata, and nothing else."""
        domain = self._lookup(name)
        where = libvirt.VIR_DOMAIN_AFFECT_CONFIG
        with told_as_host_error(self.uri, f"write the metadata of '{name}'"):
            if domain.isActive() == 1:
                where |= libvirt.VIR_DOMAIN_AFFECT_LIVE
            domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, metadata.PREFIX, metadata.NAMESPACE, where)

    def is_there(self, path: str) -> bool | None:
        """Say whether a file of the hypervisor's host is there; None where that cannot be seen from here."""
        if not self._local:
            return None
        try:
            Path(path).lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return None
        return True

    def open_port(self, name: str, port: str) -> MachineStream:
        """Open a virtio-serial port of a running machine."""
        return open_port(self._lookup(name), port, self.uri)

    def open_console(self, name: str) -> MachineStream | None:
        """Open the serial console of a running machine; None if somebody else has it open."""
        return open_console(self._lookup(name))

    def grow_disk(self, name: str, target: str, size: int) -> None:
        """Make the disk `target` ('vda') of a running machine `size` bytes large; the guest sees it at once."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"grow the disk of '{name}'"):
            domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)

    def begin_pull(self, name: str, target: str) -> None:
        """Begin to copy what the disk `target` of a running machine has in its backing files into the disk itself."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"make the disk of '{name}' independent"):
            if not domain.blockJobInfo(target):
                domain.blockPull(target, 0, 0)

    def pull_percent(self, name: str, target: str) -> float | None:
        """Return how far a copy is that `begin_pull` began; None when it is over, however it ended."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"make the disk of '{name}' independent"):
            job = domain.blockJobInfo(target)
        return 100.0 * job["cur"] / (job["end"] or 1) if job else None

    def require_independent(self, name: str, target: str) -> None:
        """Raise HostError if the disk `target` of a running machine still has backing files."""
        domain = self._lookup(name)
        with told_as_host_error(self.uri, f"look at the disk of '{name}'"):
            running = described(domain.XMLDesc())
        for disk in running.iterfind("devices/disk"):
            if _attribute(disk, "target", "dev") == target and disk.find("backingStore/source") is not None:
                raise HostError(
                    f"The disk of '{name}' still needs its template: copying ended before it was over.",
                    hint="Run the command again: it goes on from there.",
                )

    def _lookup(self, name: str) -> libvirt.virDomain:
        try:
            return self._connection.lookupByName(name)
        except libvirt.libvirtError as error:
            if is_gone(error):
                raise RecipeError(
                    f"There is no machine '{name}'.", hint="'virsh list --all' shows all that libvirt has."
                ) from error
            raise host_error(error, self.uri, f"find the machine '{name}'") from error

    def _disk_sizes(self, machines: Iterable[tuple[libvirt.virDomain, str]]) -> dict[str, tuple[int, int]]:
        """Ask once for the disks of machines: virtual size and use by path. None that hangs counts.

        libvirt opens the disks of those that are off, and would wait for ever at a FIFO: they are not asked for.
        """
        asked = [domain for domain, xml in machines if not (self._local and _waited_for(xml))]
        flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        try:
            told = self._connection.domainListGetStats(asked, libvirt.VIR_DOMAIN_STATS_BLOCK, flags) if asked else []
        except libvirt.libvirtError as error:
            # libvirt's test driver has no such call.
            if error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT:
                return {}
            raise host_error(error, self.uri, "say how large disks are") from error
        sizes: dict[str, tuple[int, int]] = {}
        for _, stats in told:
            for index in range(stats.get("block.count", 0)):
                path = str(stats.get(f"block.{index}.path", ""))
                used = self._room(path) or stats.get(f"block.{index}.allocation", 0)
                sizes[path] = (stats.get(f"block.{index}.capacity", 0), used)
        return sizes

    def _seen(self, machine: ExistingMachine) -> ExistingMachine:
        """Say of a machine whose disk lies on this host whether that is there."""
        if not (self._local and machine.disk):
            return machine
        try:
            Path(machine.disk).stat()
        except FileNotFoundError:
            return replace(machine, disk_missing=True)
        except OSError:
            return machine
        return machine

    def _room(self, path: str) -> int:
        """Return what a file here takes: of a running machine's, libvirt knows the highest place written only."""
        try:
            return Path(path).stat().st_blocks * 512 if self._local else 0
        except OSError:
            return 0

    def _wait_off(self, domain: libvirt.virDomain, end: float) -> None:
        while domain.isActive() == 1 and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)


def _existing(xml: str, *, active: bool, autostart: bool, disks: dict[str, tuple[int, int]]) -> ExistingMachine:
    """Read a definition once."""
    domain = described(xml)
    first = domain.find("devices/disk[@device='disk']")
    disk = disk_of(domain)
    virtual_size, used = disks.get(disk, (0, 0))
    current = "" if (vcpu := domain.find("vcpu")) is None else vcpu.get("current", "")
    return ExistingMachine(
        name=domain.findtext("name") or "",
        uuid=domain.findtext("uuid") or "",
        active=active,
        autostart=autostart,
        cpus=number_in(domain, "vcpu"),
        memory=number_in(domain, "memory") * _KIB,
        nics=tuple(_nic(element) for element in domain.iterfind("devices/interface")),
        disk=disk,
        virtual_size=virtual_size,
        used=used,
        cache=_attribute(first, "driver", "cache"),
        backing=()
        if first is None
        else tuple(path for element in first.iterfind(".//backingStore/source") if (path := element.get("file", ""))),
        record=metadata.of_element(domain),
        current_cpus=_less(domain, "vcpu", int(current) if current.isdecimal() else 0),
        current_memory=_less(domain, "memory", number_in(domain, "currentMemory")) * _KIB,
    )


def _less(domain: ET.Element, most: str, current: int) -> int:
    """Return what a machine starts with where that is less than the most; 0 where it is not."""
    return current if current < number_in(domain, most) else 0


def _waited_for(xml: str) -> bool:
    """Say whether a definition names a disk that is no file or block device here: opened, it may be waited for."""
    for source in described(xml).iterfind("devices/disk/source"):
        try:
            mode = Path(source.get("file") or source.get("dev") or "/").stat().st_mode
        except OSError:
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISDIR(mode)):
            return True
    return False


def _nic(element: ET.Element) -> ExistingNic:
    kind = element.get("type", "")
    return ExistingNic(kind=kind, source=_attribute(element, "source", kind), mac=_attribute(element, "mac", "address"))


def _attribute(element: ET.Element | None, child: str, name: str) -> str:
    found = None if element is None else element.find(child)
    return "" if found is None else found.get(name, "")
