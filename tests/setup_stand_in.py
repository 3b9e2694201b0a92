"""The stand-in Setup, run by QEMU alone: a seed CD written by hand, a blank disk, and a machine that is watched."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# Bounds every wait; an installation under emulation takes about two minutes.
_LONGEST_S = 1200
_OVMF = Path("/usr/share/OVMF")
PASSWORD = "Pa$$w0rd <&>"

_BIOS_DISK = """
<CreatePartitions>
  <CreatePartition wcm:action="add"><Order>1</Order><Type>Primary</Type><Size>100</Size></CreatePartition>
  <CreatePartition wcm:action="add"><Order>2</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition>
</CreatePartitions>
<ModifyPartitions>
  <ModifyPartition wcm:action="add"><Order>1</Order><PartitionID>1</PartitionID><Format>NTFS</Format>
    <Label>System Reserved</Label><Active>true</Active></ModifyPartition>
  <ModifyPartition wcm:action="add"><Order>2</Order><PartitionID>2</PartitionID><Format>NTFS</Format>
    <Label>Windows</Label><Letter>C</Letter></ModifyPartition>
</ModifyPartitions>"""
_UEFI_DISK = """
<CreatePartitions>
  <CreatePartition wcm:action="add"><Order>1</Order><Type>EFI</Type><Size>100</Size></CreatePartition>
  <CreatePartition wcm:action="add"><Order>2</Order><Type>MSR</Type><Size>16</Size></CreatePartition>
  <CreatePartition wcm:action="add"><Order>3</Order><Type>Primary</Type><Extend>true</Extend></CreatePartition>
</CreatePartitions>
<ModifyPartitions>
  <ModifyPartition wcm:action="add"><Order>1</Order><PartitionID>1</PartitionID><Format>FAT32</Format>
    <Label>System</Label></ModifyPartition>
  <ModifyPartition wcm:action="add"><Order>2</Order><PartitionID>3</PartitionID><Format>NTFS</Format>
    <Label>Windows</Label><Letter>C</Letter></ModifyPartition>
</ModifyPartitions>"""
_COMPONENT = 'processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS"'
_ANSWERS = """<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
<settings pass="windowsPE">
 <component name="Microsoft-Windows-International-Core-WinPE" {component}>
  <SetupUILanguage><UILanguage>en-US</UILanguage></SetupUILanguage><UILanguage>en-US</UILanguage>
 </component>
 <component name="Microsoft-Windows-Setup" {component}>
  <DiskConfiguration><Disk wcm:action="add"><DiskID>0</DiskID><WillWipeDisk>true</WillWipeDisk>{disk}
  </Disk></DiskConfiguration>
  <ImageInstall><OSImage>
   <InstallFrom><MetaData wcm:action="add"><Key>/IMAGE/NAME</Key><Value>{image}</Value></MetaData></InstallFrom>
   <InstallTo><DiskID>0</DiskID><PartitionID>{partition}</PartitionID></InstallTo>
  </OSImage></ImageInstall>
  <UserData><AcceptEula>true</AcceptEula></UserData>
 </component>
</settings>
<settings pass="specialize">
 <component name="Microsoft-Windows-Shell-Setup" {component}>
  <ComputerName>GOLDEN</ComputerName><TimeZone>China Standard Time</TimeZone>
 </component>
</settings>
<settings pass="oobeSystem">
 <component name="Microsoft-Windows-Shell-Setup" {component}>
  <UserAccounts><AdministratorPassword><Value>{administrator}</Value><PlainText>false</PlainText>
  </AdministratorPassword></UserAccounts>
  <AutoLogon><Enabled>true</Enabled><Username>Administrator</Username><LogonCount>1</LogonCount>
   <Password><Value>{logon}</Value><PlainText>false</PlainText></Password></AutoLogon>
  <FirstLogonCommands><SynchronousCommand wcm:action="add"><Order>1</Order>
   <CommandLine>cmd /c for %D in (D E F G) do if exist %D:\\imgpipe.id call %D:\\imgpipe\\first.cmd</CommandLine>
  </SynchronousCommand></FirstLogonCommands>
 </component>
</settings>
</unattend>
"""
SCRIPT = (
    "@echo off\r\n"
    "del /q %WINDIR%\\Panther\\unattend.xml\r\n"
    "%WINDIR%\\System32\\Sysprep\\sysprep.exe /generalize /oobe /shutdown /quiet\r\n"
)
NO_SEAL = "@echo off\r\nrem no end\r\n"


def encoded(password: str, suffix: str) -> str:
    """Encode as an answer file wants a password that is not in plain text."""
    return base64.b64encode((password + suffix).encode("utf-16-le")).decode()


def answers(*, uefi: bool = False, image: str = "Windows Server 2016 SERVERSTANDARD", suffix: str = "Password") -> str:
    """Return an answer file for one machine."""
    return _ANSWERS.format(
        component=_COMPONENT,
        disk=_UEFI_DISK if uefi else _BIOS_DISK,
        image=image,
        partition=3 if uefi else 2,
        administrator=encoded(PASSWORD, "AdministratorPassword"),
        logon=encoded(PASSWORD, suffix),
    )


def seed_files(text: str, drivers: str = "2k16") -> dict[str, str]:
    """Return what is on the seed CD, by path; the drivers are made for the folder `drivers` of a virtio-win ISO."""
    files = {"autounattend.xml": text, "imgpipe.id": "seed", "imgpipe/first.cmd": SCRIPT}
    files["imgpipe/qemu-ga-x86_64.msi"] = "no agent"
    for folder, name in (
        ("$WinPEDriver$/viostor", "viostor"),
        ("$WinPEDriver$/NetKVM", "netkvm"),
        ("imgpipe/drivers/Balloon", "balloon"),
        ("imgpipe/drivers/vioserial", "vioser"),
    ):
        files[f"{folder}/{name}.inf"] = f"; imgpipe stand-in driver for {drivers} amd64\r\n"
        files |= {f"{folder}/{name}.{kind}": "no driver" for kind in ("sys", "cat")}
    return files


def write_iso(path: Path, files: Mapping[str, str], volume: str = "IMGPIPE_SEED") -> Path:
    """Write a CD with Joliet names, by a program that is not imgpipe's."""
    tree = path.with_suffix(".tree")
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text, newline="")
    argv = ["xorriso", "-as", "mkisofs", "-quiet", "-joliet", "-rational-rock", "-volid", volume, "-output"]
    subprocess.run([*argv, str(path), str(tree)], check=True, timeout=60)
    return path


@dataclass
class Machine:
    """A running machine, with the monitor and what its serial port has said."""

    process: subprocess.Popen[bytes]
    folder: Path
    monitor: socket.socket
    """QEMU's, by QMP. `resets` is how often the machine has started over."""
    resets: int = 0
    _reset_at: int = 0
    _buffer: bytes = b""

    @property
    def serial(self) -> str:
        """What COM1 has said so far."""
        return (self.folder / "serial").read_text(errors="replace")

    def ask(self, command: str, **arguments: object) -> None:
        """Give a command of QMP and wait until it is done."""
        self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        end = time.monotonic() + 60
        while not self._hear(1):
            assert time.monotonic() < end, f"QEMU does not answer '{command}'"

    def press(self, key: str) -> None:
        """Press and release a key."""
        self.ask("send-key", keys=[{"type": "qcode", "data": key}])

    def screen(self) -> bytes:
        """Return what the screen shows, as PPM."""
        path = self.folder / "screen.ppm"
        self.ask("screendump", filename=str(path))
        return path.read_bytes()

    def until_off(self) -> None:
        """Wait until the machine has powered itself off."""
        end = time.monotonic() + _LONGEST_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still on: {self.serial[-2000:]}"
            self._hear(1)
        assert self.process.returncode == 0

    def until(self, condition: str) -> None:
        """Wait until COM1 has said something."""
        end = time.monotonic() + _LONGEST_S
        while condition not in self.serial:
            assert time.monotonic() < end, f"no '{condition}' in {self.serial[-2000:]}"
            assert self.process.poll() is None, "the machine is off"
            self._hear(0.5)

    def until_resets(self, count: int) -> None:
        """Wait until the machine has started over as often as this."""
        end = time.monotonic() + _LONGEST_S
        while self.resets < count:
            assert time.monotonic() < end, f"{self.resets} resets"
            assert self.process.poll() is None, "the machine is off"
            self._hear(0.5)

    def until_still(self, seconds: float) -> None:
        """Wait until the screen and the processors have been still for so long."""
        end, since, before = time.monotonic() + _LONGEST_S, time.monotonic(), b""
        while time.monotonic() - since < seconds:
            assert time.monotonic() < end, "never still"
            used = self._ticks()
            self._hear(2)
            now = self.screen()
            if now != before or self._ticks() - used > 100:
                before, since = now, time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let time go by."""
        self._hear(seconds)

    def _count_reset(self, at: int) -> None:
        # One start may reset the machine twice, by the kernel's word and by the firmware's.
        if at - self._reset_at > 3:
            self.resets += 1
        self._reset_at = at

    def _ticks(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def _hear(self, seconds: float) -> bool:
        """Take in what QMP says within a time; say whether a command was answered."""
        self.monitor.settimeout(seconds)
        try:
            data = self.monitor.recv(65536)
        except (TimeoutError, ConnectionResetError):
            return False
        if not data:
            time.sleep(seconds)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        told = [json.loads(line) for line in lines if line.strip()]
        for message in told:
            if message.get("event") == "RESET":
                self._count_reset(message["timestamp"]["seconds"])
        return any("return" in message or "error" in message for message in told)


@contextlib.contextmanager
def machine(disk: Path, discs: Sequence[Path], *, uefi: bool = False, secure: bool = False) -> Iterator[Machine]:
    """Run a machine as imgpipe makes it for Windows: q35, a virtio disk first in the boot order, CDs on AHCI."""
    folder = disk.parent
    for name in ("monitor", "serial"):
        (folder / name).unlink(missing_ok=True)
    process = subprocess.Popen(
        [
            "nice", "-n", "19", "qemu-system-x86_64", "-machine", "q35,smm=on",
            # One processor: QEMU's emulation of several has races of its own.
            "-accel", "tcg,tb-size=512",
            "-cpu", "max", "-smp", "1", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none",
            "-vga", "std", "-qmp", f"unix:{folder / 'monitor'},server=on,wait=off",
            "-serial", f"file:{folder / 'serial'}",
            "-drive", f"file={disk},if=none,id=disk,format=qcow2,cache=unsafe",
            "-device", "virtio-blk-pci,drive=disk,bootindex=1",
            *_cdroms(discs), *(_firmware(folder, secure=secure) if uefi else ()),
        ],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with _connect(folder / "monitor") as monitor:
            yield Machine(process, folder, monitor)
    finally:
        process.kill()
        process.wait(30)


def _cdroms(discs: Sequence[Path]) -> Iterator[str]:
    for number, disc in enumerate(discs):
        yield from ("-drive", f"file={disc},if=none,id=cd{number},media=cdrom,format=raw,readonly=on")
        order = ",bootindex=2" if number == 0 else ""
        yield from ("-device", f"ide-cd,drive=cd{number},bus=ide.{number}{order}")


def _firmware(folder: Path, *, secure: bool) -> Iterator[str]:
    code, variables = ("CODE_4M.ms", "VARS_4M.ms") if secure else ("CODE_4M", "VARS_4M")
    if not (folder / "vars.fd").exists():
        shutil.copyfile(_OVMF / f"OVMF_{variables}.fd", folder / "vars.fd")
    yield from ("-drive", f"if=pflash,format=raw,readonly=on,file={_OVMF / f'OVMF_{code}.fd'}")
    yield from ("-drive", f"if=pflash,format=raw,file={folder / 'vars.fd'}")
    if secure:
        yield from ("-global", "driver=cfi.pflash01,property=secure,value=on")


def _connect(path: Path) -> socket.socket:
    end = time.monotonic() + 30
    while True:
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.connect(str(path))
            channel.settimeout(30)
            channel.sendall(b'{"execute": "qmp_capabilities"}')
            # Its answer must not be taken for that of the first command.
            said = b""
            while b'"return"' not in said:
                said += channel.recv(4096) or b'"return"'
            return channel
        except OSError:
            channel.close()
            assert time.monotonic() < end, "QEMU serves no monitor"
            time.sleep(0.2)
