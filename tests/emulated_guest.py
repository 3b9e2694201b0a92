"""A machine made from an image by hand: QEMU alone, a console to log in at, and the channel that it reports on."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.report import CHANNEL, Report, last_report

# Bounds every wait; a boot under emulation on a loaded machine stays far below it.
_LONGEST_S = 900
_PROMPT = "imgpipe-test-done"
_OVMF = (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"))


class EmulatedGuest:
    """A running machine. `console` is everything that its serial port has shown."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.console = b""
        self._serial = self._connect("serial")
        # A serial port that nobody reads holds up the guest.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = self._serial.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            self.console += data

    def _connect(self, name: str) -> socket.socket:
        end = time.monotonic() + 30
        while True:
            channel = socket.socket(socket.AF_UNIX)
            channel.settimeout(1)
            try:
                channel.connect(str(self.folder / name))
                return channel
            except OSError:
                channel.close()
                assert time.monotonic() < end, f"QEMU does not serve '{name}'"
                time.sleep(0.2)

    def until(self, pattern: str, start: int = 0) -> str:
        """Wait until the console shows `pattern` after `start`; return what it showed since."""
        end = time.monotonic() + _LONGEST_S
        while not re.search(pattern.encode(), self.console[start:]):
            assert time.monotonic() < end, f"no '{pattern}' in {self.console[-2000:]!r}"
            assert self.process.poll() is None, f"the machine is off: {self.console[-2000:]!r}"
            time.sleep(0.1)
        return self.console[start:].decode(errors="replace")

    def send(self, text: str) -> None:
        """Type on the console; the serial port has room for a few characters only."""
        for piece in (text[at : at + 12] for at in range(0, len(text), 12)):
            self._serial.sendall(piece.encode())
            time.sleep(0.05)

    def log_in(self, name: str, password: str, since: int = 0) -> None:
        """Log in at the prompt that the console shows after `since`."""
        self.until("login: ", since)
        start = len(self.console)
        self.send(f"{name}\n")
        self.until("assword: ", start)
        self.send(f"{password}\n")
        self.until(r"[#$] ", start)
        self.run("stty -echo; PS1=")

    def run(self, command: str) -> str:
        """Run a command in the session that is logged in; return what it printed."""
        start = len(self.console)
        self.send(f"{command}; echo {_PROMPT[:4]}''{_PROMPT[4:]}\n")
        told = self.until(rf"{_PROMPT}\r?\n", start)
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told).rpartition(_PROMPT)[0].replace("\r", "").strip()

    def report(self, *, settled: bool = True) -> Report:
        """Return the guest's report, with `settled` one from after its boot."""
        channel, data = self._connect("report"), b""
        with channel:
            end = time.monotonic() + _LONGEST_S
            while (found := last_report(data)) is None or (settled and not found.started):
                assert time.monotonic() < end, f"no report: {data[-2000:]!r}, console {self.console[-2000:]!r}"
                try:
                    data += channel.recv(65536)
                except TimeoutError:
                    continue
        return found

    def end(self) -> None:
        """Switch it off, whatever it does."""
        self.process.kill()
        self.process.wait(30)
        self._reader.join(30)
        self._serial.close()


@contextmanager
def emulated(
    disk: Path, nics: Sequence[WantedNic], strings: Sequence[str] = (), *, seed: Path | None = None, uefi: bool = False
) -> Iterator[EmulatedGuest]:
    """Run a machine with user networking; its sockets are beside its disk."""
    folder = disk.parent
    for name in ("serial", "report"):
        (folder / name).unlink(missing_ok=True)
    arguments = [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2",
        "-m", "1024", "-display", "none", "-nodefaults", "-no-user-config",
        "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe",
        "-chardev", f"socket,id=serial,path={folder / 'serial'},server=on,wait=off", "-serial", "chardev:serial",
        "-device", "virtio-serial-pci", "-device", "virtio-rng-pci",
        "-chardev", f"socket,id=report,path={folder / 'report'},server=on,wait=off",
        "-device", f"virtserialport,chardev=report,name={CHANNEL}",
    ]  # fmt: skip
    for number, nic in enumerate(nics):
        arguments += ["-netdev", f"user,id=n{number}", "-device", f"virtio-net-pci,netdev=n{number},mac={nic.mac}"]
    if strings:
        # A comma separates options, two are one (qemu(1)).
        values = ",".join("value=" + string.replace(",", ",,") for string in strings)
        arguments += ["-smbios", f"type=11,{values}"]
    if seed:
        arguments += ["-drive", f"file={seed},if=none,id=cd,media=cdrom,format=raw,readonly=on"]
        arguments += ["-device", "ide-cd,drive=cd,bus=ide.0"]
    if uefi:
        shutil.copyfile(_OVMF[1], folder / "vars.fd")
        arguments += ["-drive", f"if=pflash,format=raw,readonly=on,file={_OVMF[0]}"]
        arguments += ["-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}"]
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL)
    guest = None
    try:
        guest = EmulatedGuest(process, folder)
        yield guest
    finally:
        if guest:
            guest.end()
        else:
            process.kill()
            process.wait(30)
