"""A running machine: what it does, how it ended, its screen and its keys."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote

import libvirt
from PIL import Image

from imgpipe.adapters.keys import key_code
from imgpipe.adapters.libvirt_errors import host_error, is_gone, told_as_host_error
from imgpipe.adapters.qemu_log import last_words
from imgpipe.adapters.reaper import waited_for
from imgpipe.adapters.records import Recorder
from imgpipe.errors import HostError
from imgpipe.events import Listener
from imgpipe.machine_state import Activity, Ending, MachineState, Situation

_log = logging.getLogger(__name__)

_DETAILS: dict[int, Ending] = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "powered-off",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "destroyed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "failed",
}
_EVENT_PATIENCE_SECONDS = 3.0
_PNG_LIMIT = 64 * 2**20


class RunningMachine:
    """A machine that was started and is watched through libvirt's events."""

    def __init__(
        self,
        domain: libvirt.virDomain,
        uri: str,
        reconnect: Callable[[], libvirt.virConnect],
        recorders: Sequence[Recorder] = (),
        notify: Listener = lambda _: None,
    ) -> None:
        self._notify = notify
        self._domain = domain
        self._connection = domain.connect()
        self._uri = uri
        self._reconnect = reconnect
        self._recorders = recorders
        self._reboots = 0
        self._ending: Ending | None = None
        self._over = threading.Event()
        self._panicked = False
        self._callbacks = self._listen()

    @property
    def name(self) -> str:
        """The domain's name."""
        return str(self._domain.name())

    def state(self) -> MachineState:
        """Ask what the machine is doing; raises HostError if the daemon no longer answers."""
        try:
            state, reason = self._domain.state()
        except libvirt.libvirtError as error:
            if not is_gone(error):
                raise host_error(error, self._uri, f"ask for the state of '{self.name}'") from error
            # The domain is removed a moment before the event that says why arrives.
            self._over.wait(_EVENT_PATIENCE_SECONDS)
            return MachineState(situation="ended", ending=self._judge_ending(), reboots=self._reboots)
        return MachineState(situation=self._situation(state, reason), ending=self._soon(state), reboots=self._reboots)

    def activity(self) -> Activity | None:
        """Return what the machine has used; None once it is over."""
        try:
            cpu_ns = int(self._domain.info()[4])
            # An empty name stands for all disks together (virDomainBlockStats).
            counters = self._domain.blockStats("")
        except libvirt.libvirtError as error:
            if not self._daemon_lives():
                raise host_error(error, self._uri, f"measure '{self.name}'") from error
            # A machine that ends while it is measured makes libvirt tell of its monitor in many ways.
            _log.debug("no measure: %s", error)
            return None
        return Activity(cpu_ns=cpu_ns, disk_bytes=max(0, counters[1]) + max(0, counters[3]))

    def disk_errors(self) -> dict[str, str]:
        """Return which disks stopped the machine and why: 'no space', 'unspecified error'."""
        names = {libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE: "no space"}
        try:
            return {disk: names.get(code, "unspecified error") for disk, code in self._domain.diskErrors().items()}
        except libvirt.libvirtError:
            return {}

    def screenshot(self, path: Path) -> bool:
        """Write what the screen shows to `path`, as PNG; False where there is none. Never fails a failure report."""
        try:
            picture = self._screen()
            with Image.open(io.BytesIO(picture)) as image:
                image.save(path, format="PNG")
        except (libvirt.libvirtError, OSError, ValueError, Image.DecompressionBombError) as error:
            _log.debug("no screenshot: %s", error)
            return False
        return True

    def last_words(self) -> tuple[str, ...]:
        """Return what QEMU itself said before it ended; nothing where its log is not ours to read."""
        return last_words(self._uri, self.name)

    def finish_records(self) -> None:
        """Wait until all that a machine which is over said is in its files."""
        for recorder in self._recorders:
            recorder.finish()

    def press(self, keys: Sequence[str], hold_ms: int = 100) -> None:
        """Press keys one after another, by libvirt's Linux names ('KEY_SPACE')."""
        with told_as_host_error(self._uri, f"press keys in '{self.name}'"):
            for key in keys:
                self._domain.sendKey(libvirt.VIR_KEYCODE_SET_LINUX, hold_ms, [key_code(key)], 1, 0)

    def end_at_reset(self) -> None:
        """Have the machine end from now on where its guest resets it; it restarts as before where QEMU cannot (< 6)."""
        kind, action = libvirt.VIR_DOMAIN_LIFECYCLE_REBOOT, libvirt.VIR_DOMAIN_LIFECYCLE_ACTION_DESTROY
        try:
            self._domain.setLifecycleAction(kind, action, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except libvirt.libvirtError as error:
            _log.debug("resets restart the machine still: %s", error)

    def destroy(self) -> None:
        """End the machine at once, whatever it does; a machine that is over already is fine.

        Nobody listens to it then: libvirt 11.3 was seen to die where a console's stream ended along with its machine.
        What one that is over said is heard to its end, though.
        """
        if self._recorders and self._is_active():
            for recorder in self._recorders:
                recorder.let_go()
        with waited_for(self.name, self._uri, self._notify):
            try:
                self._domain.destroy()
            except libvirt.libvirtError as error:
                if not (is_gone(error) or error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID):
                    self._destroy_anew(error)
        self.finish_records()
        self._stop_listening()

    def _destroy_anew(self, error: libvirt.libvirtError) -> None:
        """End the machine through a new connection: QEMU outlives a daemon that died, and the next one finds it."""
        name = self.name
        try:
            self._reconnect().lookupByName(name).destroy()
        except HostError:
            raise HostError(
                f"The machine '{name}' may still run, because the libvirt daemon at '{self._uri}' is gone.",
                hint=f"Start the daemon, then run 'virsh --connect {quote(self._uri)} destroy {quote(name)}'.",
            ) from error
        except libvirt.libvirtError as second:
            if not is_gone(second):
                raise host_error(second, self._uri, f"end the machine '{name}'") from second

    def _is_active(self) -> bool:
        try:
            return bool(self._domain.isActive())
        except libvirt.libvirtError:
            return False

    def _daemon_lives(self) -> bool:
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def _screen(self) -> bytes:
        stream = self._connection.newStream(0)
        self._domain.screenshot(stream, 0, 0)
        parts: list[bytes] = []
        while (part := stream.recv(262_144)) and sum(map(len, parts)) < _PNG_LIMIT:
            parts.append(part)
        stream.finish()
        return b"".join(parts)

    def _situation(self, state: int, reason: int) -> Situation:
        if self._panicked or state == libvirt.VIR_DOMAIN_CRASHED:
            return "crashed"
        if state == libvirt.VIR_DOMAIN_PAUSED:
            return "io-error" if reason == libvirt.VIR_DOMAIN_PAUSED_IOERROR else "paused"
        if state == libvirt.VIR_DOMAIN_SHUTOFF:
            return "ended"
        return "running"

    def _soon(self, state: int) -> Ending | None:
        return self._judge_ending() if state == libvirt.VIR_DOMAIN_SHUTOFF else None

    def _judge_ending(self) -> Ending:
        if self._panicked:
            return "crashed"
        return self._ending or "unknown"

    def _listen(self) -> list[int]:
        register = self._connection.domainEventRegisterAny
        return [
            register(self._domain, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None),
            register(self._domain, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot, None),
        ]

    def _stop_listening(self) -> None:
        for callback in self._callbacks:
            try:
                self._connection.domainEventDeregisterAny(callback)
            except libvirt.libvirtError as error:
                _log.debug("events: %s", error)
        self._callbacks = []

    def _on_lifecycle(self, _connection: object, _domain: object, event: int, detail: int, _data: object) -> None:
        _log.debug("machine event %d, detail %d", event, detail)
        if event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
            self._panicked = True
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            self._ending = _DETAILS.get(detail, "unknown")
            self._over.set()

    def _on_reboot(self, _connection: object, _domain: object, _data: object) -> None:
        self._reboots += 1
