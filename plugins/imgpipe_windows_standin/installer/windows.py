"""The installed system's folders and states, mounted while a phase runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imgpipe_demo.installer.programs import run

from .logs import append
from .registry import Value, change_hive

ROOT = Path("/c")
PANTHER = ROOT / "Windows/Panther"
ANSWERS = PANTHER / "unattend.xml"
SYSPREP = ROOT / "Windows/System32/Sysprep"
SCRIPTS = ROOT / "imgpipe"
DEVICE_LOG = ROOT / "Windows/INF/setupapi.dev.log"
_CONFIG = ROOT / "Windows/System32/config"
_STATE_INI = ROOT / "Windows/Setup/State/State.ini"
_STATE = ROOT / "Windows/Setup/imgpipe-standin.json"
_EDITION = "Windows/imgpipe-standin.json"
_STATE_KEY = r"Microsoft\Windows\CurrentVersion\Setup\State"


@dataclass(frozen=True, kw_only=True)
class State:
    """What the stand-in must remember from one boot to the next."""

    phase: str
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What an image is: imgpipe's name of its system, and the folders of a virtio-win ISO that it loads drivers of."""

    system: str
    drivers: tuple[str, ...]


@contextmanager
def mounted(device: Path) -> Iterator[None]:
    """Mount the volume of Windows; afterwards it is clean."""
    ROOT.mkdir(exist_ok=True)
    run("ntfs-3g", "-o", "rw,big_writes,noatime", device, ROOT)
    try:
        yield
    finally:
        run("umount", ROOT)


def edition() -> Edition:
    """Return what the installed image says of itself."""
    return _edition((ROOT / _EDITION).read_text())


def edition_in(wim: Path, index: int) -> Edition:
    """Return what an image says of itself before it is installed."""
    return _edition(run("wimlib-imagex", "extract", wim, str(index), f"/{_EDITION}", "--to-stdout"))


def _edition(text: str) -> Edition:
    told = json.loads(text)
    return Edition(system=told["system"], drivers=tuple(told["drivers"]))


def state() -> State:
    """Return where the installation stands."""
    told = json.loads(_STATE.read_text())
    return State(phase=told["phase"], faults=tuple(told["faults"]))


def go_on(phase: str, faults: tuple[str, ...] | None = None) -> None:
    """Remember which phase the next boot plays, and the faults if they are given."""
    now = State(phase=phase, faults=faults) if faults is not None else replace(state(), phase=phase)
    _STATE.write_text(json.dumps(asdict(now)))


def set_image_state(name: str) -> None:
    """Write the state of the image where Windows keeps it: State.ini and the registry."""
    _STATE_INI.parent.mkdir(parents=True, exist_ok=True)
    _STATE_INI.unlink(missing_ok=True)
    for line in ("[State]", f"ImageState={name}"):
        append(_STATE_INI, line, utf16=True)
    change_software({_STATE_KEY: {"ImageState": name}})


def change_software(values: Mapping[str, Mapping[str, Value]]) -> None:
    r"""Set values below `HKLM\SOFTWARE`."""
    change_hive(_CONFIG / "SOFTWARE", values)


def change_system(values: Mapping[str, Mapping[str, Value]]) -> None:
    r"""Set values below `HKLM\SYSTEM`."""
    change_hive(_CONFIG / "SYSTEM", values)
