"""Which accelerator works: a device node and libvirt's word are no proof, a kernel's first console line is."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from imgpipe.adapters.machine import RunningMachine
from imgpipe.adapters.qemu_on_kvm import qemu_aborts
from imgpipe.adapters.records import Recorded
from imgpipe.domain_features import Features
from imgpipe.domain_spec import Accelerator, DirectKernel, DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Listener, Note
from imgpipe.json_text import parse_json
from imgpipe.os_family import Hardware
from imgpipe.own_files import open_own, read_own, write_new
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

_PATIENCE_SECONDS = 10.0
_FIRST_LINE = b"Linux version"
_CONSOLE_START = MIB
_FILE = "accelerator.json"
_VARIABLE = "IMGPIPE_ACCELERATOR"
_UNUSABLE = "libvirt offers KVM, but QEMU cannot use it"
_ARGUMENTS = ("console=ttyS0", "earlyprintk=ttyS0", "panic=-1")


class _Starter(Protocol):
    """What the probe needs of a hypervisor."""

    uri: str

    @property
    def local(self) -> bool:
        """Whether its machines run on this host."""

    def offers_kvm(self) -> bool:
        """Say whether libvirt lists KVM."""

    def versions(self) -> dict[str, str]:
        """Return the versions of libvirt and QEMU."""

    def features(self, accelerator: Accelerator) -> Features:
        """Say what machines of an accelerator may have."""

    def start_transient(self, xml: str, *, recorded: Recorded) -> RunningMachine:
        """Start a machine that ends with this process."""


class AcceleratorProbe:
    """Asks once, remembers in `cache`/accelerator.json for this host, its kernel and its QEMU.

    IMGPIPE_ACCELERATOR=kvm or tcg answers instead; `auto` is as if it were not set.
    """

    def __init__(self, starter: _Starter, notify: Listener, cache: Path | None, *, remember: bool = True) -> None:
        self._starter = starter
        self._remembers = remember
        self._notify = notify
        self._file = cache / _FILE if cache else None
        self._answer: Accelerator | None = None

    def accelerator(self, kernel: Path | None = None) -> Accelerator:
        """Return what works; `kernel` is booted where none of the host's own can be read."""
        if self._answer is None:
            self._answer = asked_for() or self._remembered() or self._probe_and_remember(kernel)
        return self._answer

    def try_again(self) -> Accelerator:
        """Boot a kernel whatever was remembered, and remember the answer; IMGPIPE_ACCELERATOR still answers first."""
        self._answer = asked_for() or self._probe_and_remember(None)
        return self._answer

    def _probe_and_remember(self, kernel: Path | None) -> Accelerator:
        if not self._starter.offers_kvm():
            self._tell("The host offers no KVM")
            return "tcg"
        found = newest_host_kernel() or kernel
        if found is None:
            self._notify(
                Note(
                    text="KVM is taken on trust: no kernel in '/boot' can be read to try it with; "
                    f"set {_VARIABLE}=tcg if machines hang at their start.",
                    warning=True,
                )
            )
            return "kvm"
        answer: Accelerator = "kvm" if self._boots(found) else "tcg"
        self._remember(answer)
        return answer

    def _boots(self, kernel: Path) -> bool:
        if self._starter.local and qemu_aborts():
            self._tell(_UNUSABLE)
            return False
        with _probe_folder(self._file.parent if self._file and self._remembers else None) as folder:
            # A copy, because libvirt gives a machine's files to QEMU's user while it runs.
            copy = folder / "kernel"
            shutil.copyfile(kernel, copy)
            console = folder / "console.log"
            try:
                xml = domain_xml(_probe_domain(copy), self._starter.features("kvm"))
                machine = self._starter.start_transient(xml, recorded=Recorded(console=console))
            except HostError as error:
                if "kvm" not in " ".join(error.details).lower():
                    raise
                self._tell(_UNUSABLE)
                return False
            try:
                boots = _first_line_shows(machine, console)
            finally:
                machine.destroy()
            if not boots:
                self._tell(f"libvirt offers KVM, but a kernel prints nothing under it in {_PATIENCE_SECONDS:.0f} s")
            return boots

    def _tell(self, why: str) -> None:
        self._notify(Note(text=f"{why}: machines are emulated (TCG), which is some ten times slower.", warning=True))

    def _remembered(self) -> Accelerator | None:
        answer = _recall(self._file, _key(self._starter.uri, self._starter.versions()))
        if answer == "tcg":
            self._tell("KVM was tried on this host before and does not work")
        return answer

    def _remember(self, answer: Accelerator) -> None:
        if self._file is None or not self._remembers:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        key = _key(self._starter.uri, self._starter.versions())
        partial.unlink(missing_ok=True)
        write_new(partial, json.dumps({**_read(self._file), key: answer}))
        partial.replace(self._file)


def remembered(cache: Path, uri: str, versions: Mapping[str, str]) -> Accelerator | None:
    """Return what was found to work with these versions of libvirt and QEMU; None where it was not tried yet."""
    return _recall(cache / _FILE, _key(uri, versions))


def _recall(file: Path | None, key: str) -> Accelerator | None:
    match _read(file).get(key):
        case "kvm":
            return "kvm"
        case "tcg":
            return "tcg"
    return None


def _key(uri: str, versions: Mapping[str, str]) -> str:
    identity = Path("/etc/machine-id")
    host = identity.read_text() if identity.is_file() else platform.node()
    parts = (host, platform.release(), uri, sorted(versions.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _read(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        answers = parse_json(read_own(file))
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) else {}


def asked_for() -> Accelerator | None:
    """Return what IMGPIPE_ACCELERATOR asks for; None for 'auto'. Raises RecipeError for anything else."""
    match os.environ.get(_VARIABLE, "auto"):
        case "kvm":
            return "kvm"
        case "tcg":
            return "tcg"
        case "auto" | "":
            return None
        case other:
            raise RecipeError(f"{_VARIABLE} is '{other}'.", hint="Use 'kvm', 'tcg' or 'auto'.")


def newest_host_kernel(boot: Path = Path("/boot")) -> Path | None:
    """Return the newest kernel in /boot that may be read."""
    readable = [path for path in boot.glob("vmlinuz*") if path.is_file() and os.access(path, os.R_OK)]
    return max(readable, key=lambda path: path.stat().st_mtime, default=None)


def _probe_domain(kernel: Path) -> DomainSpec:
    return DomainSpec(
        name=f"imgpipe-probe-{os.getpid()}",
        machine=Machine(cpus=1, memory=512 * MIB),
        hardware=Hardware(),
        accelerator="kvm",
        direct=DirectKernel(kernel=kernel, initrd=None, arguments=_ARGUMENTS),
    )


def _first_line_shows(machine: RunningMachine, console: Path) -> bool:
    end = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < end:
        if _has_first_line(console):
            return True
        if machine.state().situation == "ended":
            machine.finish_records()
            return _has_first_line(console)
        time.sleep(0.1)
    return False


def _has_first_line(console: Path) -> bool:
    with suppress(FileNotFoundError), open_own(console) as file:
        return _FIRST_LINE in file.read(_CONSOLE_START)
    return False


@contextmanager
def _probe_folder(parent: Path | None) -> Iterator[Path]:
    """Make a folder that QEMU's user may pass through, for the length of the block."""
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="probe-", dir=parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
