"""libvirt: a connection to one daemon, and what is asked of it.

Only this package's modules import libvirt. Every failure of libvirt becomes HostError.
"""

from __future__ import annotations

import os
import socket
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import libvirt

from imgpipe.adapters import (
    domain_capabilities,
    firmware_files,
    image_locks,
    installed,
    libvirt_daemon,
    libvirt_sockets,
)
from imgpipe.adapters.accelerator import AcceleratorProbe
from imgpipe.adapters.libvirt_errors import host_error, is_gone, silence, told_as_host_error
from imgpipe.adapters.libvirt_events import start_event_loop
from imgpipe.adapters.machine import RunningMachine
from imgpipe.adapters.machine_streams import recorders
from imgpipe.adapters.qemu_user import run_as_root_if_needed
from imgpipe.adapters.reaper import waited_for
from imgpipe.adapters.records import NOTHING_RECORDED, Recorded
from imgpipe.connection_uri import chosen_uri
from imgpipe.disk_source import Format, of_definition
from imgpipe.domain_features import Features
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Listener, Note
from imgpipe.far_host import far_host
from imgpipe.libvirt_words import described

# A daemon that died is heard of at once. One that only says nothing gets three quarters of a minute: where guests are
# emulated on all cores it comes late, and an installation would be given up for that.
_KEEPALIVE_SECONDS = 5
_KEEPALIVE_COUNT = 8
_OPEN_SECONDS = 20
_LOCK_PATIENCE_S = 5.0


def connect(uri: str | None, notify: Listener, cache: Path | None = None, *, remember: bool = True) -> Hypervisor:
    """Connect to `uri`, else to LIBVIRT_DEFAULT_URI, else as virsh does: root to the system, others to their session.

    Where root's daemon does not answer and no systemd manages it, it is started. `cache` is the folder that
    remembers which accelerator works; without `remember` it is only read. Raises HostError.
    """
    silence()
    start_event_loop()
    chosen = chosen_uri(uri)
    if chosen == "qemu:///system" and libvirt_daemon.may_start_system_daemon():
        libvirt_daemon.give_kvm_to_its_group()
    ours = (
        chosen in {"qemu:///system", "qemu:///session"}
        and libvirt_daemon.may_start_system_daemon()
        and not libvirt_daemon.system_daemon_answers()
    )
    if ours:
        if libvirt_daemon.adapt_to_chroot():
            text = f"Set 'namespaces = []' in '{libvirt_daemon.QEMU_CONF}': no machine starts in a chroot without."
            notify(Note(text=text))
        program = libvirt_daemon.start_system_daemon()
        notify(Note(text=f"No libvirt daemon answered, so '{program}' was started; it ends when nobody uses it."))
    return Hypervisor(chosen, notify, cache, remember=remember)


def look(uri: str, notify: Listener, cache: Path | None = None) -> Hypervisor | None:
    """Connect without starting or changing anything; None where no daemon runs and `connect` would have one started."""
    silence()
    start_event_loop()
    if uri in {"qemu:///system", "qemu:///session"}:
        ours = libvirt_daemon.may_start_system_daemon() and not libvirt_daemon.system_daemon_answers()
        theirs = uri == "qemu:///session" and os.geteuid() != 0 and not libvirt_daemon.session_daemon_answers()
        if ours or theirs:
            return None
    return Hypervisor(uri, notify, cache)


class Hypervisor:
    """A connection to one libvirt daemon; it stays open, and a session daemon alive, until `close`."""

    def __init__(self, uri: str, notify: Listener, cache: Path | None, *, remember: bool = True) -> None:
        self.uri = uri
        self._notify = notify
        self._connection = _open(uri)
        self._log_daemon: socket.socket | None = None
        self._starting = threading.Lock()
        self._asking = threading.Lock()
        self._features: dict[Accelerator, Features] = {}
        self._probe = AcceleratorProbe(self, notify, cache, remember=remember)
        self._close = weakref.finalize(self, _close, self._connection)

    @property
    def connection(self) -> libvirt.virConnect:
        """The connection of libvirt itself, for the other adapters of this package."""
        return self._connection

    @property
    def notify(self) -> Listener:
        """Who is told what happens on the way."""
        return self._notify

    @property
    def local(self) -> bool:
        """Whether the daemon sees this host's files: 'qemu:///system' does; 'qemu+unix:///system' may not."""
        parts = urlsplit(self.uri)
        return parts.scheme == "qemu" and not parts.netloc

    def close(self) -> None:
        """Close the connection; machines that were started transient end with it."""
        self._close()
        if self._log_daemon:
            self._log_daemon.close()

    def hold_log_daemon(self) -> None:
        """Start the daemon that QEMU logs through, where nobody else does (as root without systemd), and keep it."""
        if not libvirt_daemon.may_start_system_daemon() or "socket=" in self.uri:
            return
        with self._starting:
            self._log_daemon = self._log_daemon or libvirt_daemon.ensure_log_daemon()

    def accelerator(self, kernel: Path | None = None) -> Accelerator:
        """Say which accelerator really boots a kernel here; the answer is remembered for host, kernel and QEMU.

        `kernel` is tried where none of the host's own can be read. IMGPIPE_ACCELERATOR=kvm or tcg answers instead.
        """
        return self._probe.accelerator(kernel)

    def try_accelerator(self) -> Accelerator:
        """Boot a kernel to see which accelerator works now, whatever is remembered."""
        return self._probe.try_again()

    def features(self, accelerator: Accelerator) -> Features:
        """Say what this libvirt and its QEMU take in machines of one accelerator; it is asked once."""
        with self._asking:
            if accelerator not in self._features:
                builds = firmware_files.installed() if self.local else None
                found = domain_capabilities.ask(self._connection, self.uri, accelerator, builds)
                self._features[accelerator] = found
            return self._features[accelerator]

    def versions(self) -> dict[str, str]:
        """Return the versions of libvirt's daemon and of QEMU."""
        with told_as_host_error(self.uri, "say its version"):
            return {
                "libvirt": _dotted(self._connection.getLibVersion()),
                "qemu": _dotted(self._connection.getVersion()),
            }

    def capabilities(self) -> ET.Element:
        """Return libvirt's `<capabilities>` of this host."""
        with told_as_host_error(self.uri, "say what the host can do"):
            return described(self._connection.getCapabilities())

    def offers_kvm(self) -> bool:
        """Say whether libvirt lists KVM for x86-64; that is no proof that it works."""
        guests = self.capabilities().iterfind("guest/arch[@name='x86_64']/domain")
        return any(domain.get("type") == "kvm" for domain in guests)

    def define_check(self, xml: str) -> None:
        """Raise HostError if libvirt would not accept this machine; nothing stays defined."""
        with told_as_host_error(self.uri, "accept the machine's XML"):
            domain = self._connection.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
            # libvirt's test driver knows no variables of UEFI.
            if self.uri.startswith("test:"):
                domain.undefine()
            else:
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)

    def start_transient(
        self, xml: str, *, prepare: Callable[[], None] = lambda: None, recorded: Recorded = NOTHING_RECORDED
    ) -> RunningMachine:
        """Start a machine that leaves nothing behind, and that libvirt ends when this process does.

        A leftover of the same name, from a daemon that died, is ended first; then `prepare` is called, when
        nothing uses the machine's files any more. What it says goes to the files of `recorded`, from its first byte.
        Raises HostError also where a QEMU that libvirt lost still has its disk.
        """
        self.hold_log_daemon()
        name = ET.fromstring(xml).findtext("name") or ""  # noqa: S314 (our own text)
        self._end_leftover(name)
        if self.local:
            _require_unused(xml, name)
        prepare()
        if self.uri == "qemu:///system":
            xml = run_as_root_if_needed(xml, self._notify)
        with told_as_host_error(self.uri, f"start the machine '{name}'"):
            flags = libvirt.VIR_DOMAIN_START_AUTODESTROY | libvirt.VIR_DOMAIN_START_PAUSED
            domain = self._connection.createXML(xml, flags)
        try:
            with told_as_host_error(self.uri, f"start the machine '{name}'"):
                # Started paused, so that no event and no byte is missed between its start and the first listener.
                heard = recorders(domain, recorded, self.uri)
                machine = RunningMachine(domain, self.uri, self._reconnect, heard, self._notify)
                for recorder in heard:
                    recorder.start()
                domain.resume()
        except HostError:
            self._end_leftover(name)
            raise
        return machine

    def domain_names(self) -> tuple[str, ...]:
        """Return the names of all machines, running or not, sorted."""
        with told_as_host_error(self.uri, "list the machines"):
            return tuple(sorted(domain.name() for domain in self._connection.listAllDomains()))

    def shut_off_domain(self, name: str) -> tuple[Path, Format, str]:
        """Return the file of the only disk of a machine that is shut off, its format, and the definition.

        Raises RecipeError if there is no such machine, it runs, it has not exactly one disk file, or that is a link of
        somebody else.
        """
        try:
            domain = self._connection.lookupByName(name)
            active = domain.isActive()
            xml = domain.XMLDesc()
        except libvirt.libvirtError as error:
            if is_gone(error):
                known = ", ".join(self.domain_names()) or "none"
                raise RecipeError(f"There is no machine '{name}'.", hint=f"Machines here: {known}.") from error
            raise host_error(error, self.uri, f"look at the machine '{name}'") from error
        if active:
            raise RecipeError(f"The machine '{name}' is running.", hint=f"Shut it off: 'virsh shutdown {quote(name)}'.")
        return (*_only_disk(name, xml), xml)

    def _end_leftover(self, name: str) -> None:
        with waited_for(name, self.uri, self._notify):
            try:
                domain = self._connection.lookupByName(name)
                try:
                    domain.destroy()
                except libvirt.libvirtError as error:
                    if error.get_error_code() != libvirt.VIR_ERR_OPERATION_INVALID or domain.isActive():
                        raise
                    self._forget(domain)
            except libvirt.libvirtError as error:
                if not is_gone(error):
                    raise host_error(error, self.uri, f"end the leftover machine '{name}'") from error

    def _forget(self, domain: libvirt.virDomain) -> None:
        """Make libvirt forget a transient machine whose QEMU it lost: it is off, and can neither end nor be undefined.

        A definition makes it one that can be undefined.
        """
        if not domain.isPersistent():
            flags = libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
            self._connection.defineXML(domain.XMLDesc()).undefineFlags(flags)

    def _reconnect(self) -> libvirt.virConnect:
        return _open(self.uri)


def _require_unused(xml: str, name: str) -> None:
    """Raise HostError where a process has a disk of the machine that shall be started; one that ends is waited for."""
    for source in described(xml).iterfind("devices/disk[@device='disk']/source"):
        path = Path(source.get("file", ""))
        if image_locks.stays_held(path, _LOCK_PATIENCE_S):
            who, advice = image_locks.whose(path)
            raise HostError(f"The machine '{name}' cannot start: '{path}' is in use {who}.", hint=advice)


def _only_disk(name: str, xml: str) -> tuple[Path, Format]:
    # libvirt: without a word of the device it is a disk, without one of the format it is raw.
    every = described(xml).iterfind("devices/disk")
    disks = [disk for disk in every if disk.get("device", "disk") in ("disk", "lun")]
    source = disks[0].find("source") if len(disks) == 1 else None
    if source is None or not source.get("file"):
        raise RecipeError(f"The machine '{name}' does not have exactly one disk that is a file.")
    driver = disks[0].find("driver")
    form = "raw" if driver is None else driver.get("type", "raw")
    if form == "qcow2":
        return of_definition(Path(source.get("file", ""))), "qcow2"
    if form == "raw":
        return of_definition(Path(source.get("file", ""))), "raw"
    raise RecipeError(f"The disk of the machine '{name}' is of the format '{form}', not qcow2 or raw.")


def _open(uri: str) -> libvirt.virConnect:
    """Connect; a daemon that accepts but never answers would hold libvirt.open for ever, so a thread does it."""
    opened: Future[libvirt.virConnect] = Future()
    threading.Thread(target=_open_into, args=(opened, uri), name="libvirt-open", daemon=True).start()
    with told_as_host_error(uri, "connect"):
        try:
            return opened.result(timeout=_OPEN_SECONDS)
        except TimeoutError:
            raise HostError(
                f"The libvirt daemon at '{uri}' does not answer.",
                hint=f"It is on '{far.name}': '{far.status}' shows whether ssh gets there, and how it is."
                if (far := far_host(uri))
                else f"It accepts connections but says nothing: restart it, '{installed.starting(verb='restart')}'.",
            ) from None


def _open_into(opened: Future[libvirt.virConnect], uri: str) -> None:
    try:
        with libvirt_sockets.noted(uri):
            connection = libvirt.open(uri)
        # The test driver has no connection to keep alive.
        if not uri.startswith("test:"):
            connection.setKeepAlive(_KEEPALIVE_SECONDS, _KEEPALIVE_COUNT)
    except Exception as error:
        opened.set_exception(error)
    else:
        opened.set_result(connection)


def _close(connection: libvirt.virConnect) -> None:
    try:
        connection.close()
    except libvirt.libvirtError:
        return


def _dotted(number: int) -> str:
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
