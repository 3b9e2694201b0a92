"""A machine made from an image by hand: QEMU alone, its console, its report and a way in by SSH."""

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
_OVMF = (Path("/usr/share/OVMF/OVMF_CODE_4M.fd"), Path("/usr/share/OVMF/OVMF_VARS_4M.fd"))


class EmulatedGuest:
    """A running machine. `console` is everything that its serial port has shown."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, port: int) -> None:
        self.process = process
        self.folder = folder
        self.port = port
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

    def type(self, text: str) -> int:
        """Type on the console; return where what it shows next begins."""
        start = len(self.console)
        self._serial.sendall(text.encode())
        return start

    def run(self, command: str) -> str:
        """Run a command as root by SSH; return what it printed, without blanks around it."""
        done = subprocess.run(
            [
                "ssh", "-q", "-p", str(self.port), "-i", str(self.folder / "key"),
                "-o", "StrictHostKeyChecking=accept-new",
                "-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-o", "ConnectTimeout=60",
                "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-F", "none",
                "-o", f"ControlPath={self.folder / 'ssh'}", "-o", "ControlMaster=auto", "-o", "ControlPersist=60",
                "root@127.0.0.1", command,
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False, timeout=_LONGEST_S,
        )  # fmt: skip
        assert done.returncode != 255, "no SSH connection"
        return done.stdout.strip()

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
    """Run a machine with user networking, each NIC in the network of its static address.

    Its sockets are beside its disk, and the private key for root, named `key`. SSH goes to the static address.
    """
    folder, port = disk.parent, _free_port()
    for name in ("serial", "report", "known_hosts"):
        (folder / name).unlink(missing_ok=True)
    # One processor: QEMU's emulation of several has races of its own, which stop a guest for ever now and then.
    arguments = [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "1",
        "-m", "1024", "-display", "none", "-nodefaults", "-no-user-config",
        "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe",
        "-chardev", f"socket,id=serial,path={folder / 'serial'},server=on,wait=off", "-serial", "chardev:serial",
        "-device", "virtio-serial-pci", "-device", "virtio-rng-pci",
        "-chardev", f"socket,id=report,path={folder / 'report'},server=on,wait=off",
        "-device", f"virtserialport,chardev=report,name={CHANNEL}",
    ]  # fmt: skip
    for number, nic in enumerate(nics):
        network = f",net={nic.address.network},hostfwd=tcp:127.0.0.1:{port}-{nic.address.ip}:22" if nic.address else ""
        arguments += ["-netdev", f"user,id=n{number}{network}"]
        arguments += ["-device", f"virtio-net-pci,netdev=n{number},mac={nic.mac}"]
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
        guest = EmulatedGuest(process, folder, port)
        yield guest
    finally:
        if guest:
            guest.end()
        else:
            process.kill()
            process.wait(30)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
