"""The first logon: what the scripts of the seed CD would do, as far as it is seen from outside.

No command is run: there is no Windows to run it. What is looked at is which scripts the commands lead to, and whether
those end in sysprep.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from . import discs, windows
from .answers import Answers
from .console import report
from .drivers import first_logon_drivers
from .logs import log_device

_MARK = "imgpipe.id"
_SCRIPTS = (".cmd", ".bat", ".ps1", ".vbs")
_AGENT = "qemu-ga-x86_64.msi"
# What pnputil and msiexec give for a file they cannot find.
_NOT_FOUND = 2


class ScriptError(Exception):
    """A step failed; the text is its name and exit code. The scripts report it, and power off unsealed."""


def run(answers: Answers, faults: tuple[str, ...]) -> str | None:
    """Install nothing, but leave every trace of it; return the scripts' text if they seal, else None.

    Raises ScriptError for a step that fails.
    """
    report("first-logon")
    seed = next((path.parent for _, path in discs.find_on(discs.mount_all(), _MARK)), None)
    folder = discs.find(seed, "imgpipe") if seed else None
    if folder is None:
        raise ScriptError("media 1")
    shutil.copytree(folder, windows.SCRIPTS, dirs_exist_ok=True)
    text = reached(answers.first_commands, windows.SCRIPTS)
    results = []
    for driver in first_logon_drivers(windows.SCRIPTS):
        code = _install_driver(driver, faults)
        if code:
            raise ScriptError(f"driver-{driver.name.lower()} {code}")
        results.append({"name": driver.name.lower(), "exit": code})
    steps = []
    if discs.find(windows.SCRIPTS, _AGENT):
        report("agent")
        steps.append({"name": "qemu-ga", "exit": 0})
    marker = {"imgpipe": 1, "system": windows.edition().system, "drivers": results, "steps": steps}
    (windows.SCRIPTS / "sealed.json").write_text(json.dumps(marker))
    return text if seals(text) else None


def reached(commands: tuple[str, ...], folder: Path) -> str:
    """Return the commands' text and that of every script of `folder` that they lead to by its name."""
    scripts = {path.name.lower(): path for path in folder.iterdir() if path.suffix.lower() in _SCRIPTS}
    text, waiting = "\n".join(commands), dict(scripts)
    while called := [name for name in waiting if name in text.lower()]:
        for name in called:
            text += "\n" + waiting.pop(name).read_text(errors="replace")
    return text


def seals(text: str) -> bool:
    """Say whether scripts end in a sysprep that generalizes and powers off."""
    words = text.lower()
    return all(word in words for word in ("sysprep", "/generalize", "/oobe", "/shutdown"))


def _install_driver(folder: Path, faults: tuple[str, ...]) -> int:
    name = folder.name.lower()
    report(f"driver {name}")
    infs = [path for path in folder.rglob("*") if path.suffix.lower() == ".inf"]
    code = 0 if infs and "driver-missing" not in faults else _NOT_FOUND
    log_device(windows.DEVICE_LOG, name, code)
    return code
