"""The phases of an installation: Setup from the CD, then what every boot from the disk is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from imgpipe_demo.installer.ending import leave, wait_for_ever

from . import first_logon, ntfs, seal, setup, specialize, windows
from .answers import AnswerError, Answers
from .button import wait_for_power_button
from .console import mention, report, show, show_alone
from .first_logon import ScriptError
from .logs import PantherLog

_BLUE_SCREEN = (
    "Your device ran into a problem and needs to restart.\n\n"
    "  Stop code: INACCESSIBLE_BOOT_DEVICE (0x0000007B)\n\n"
    "  (imgpipe stand-in: asked for by a fault)"
)


def main() -> NoReturn:
    """Play the phase that this boot is for."""
    show("imgpipe stand-in for Windows Setup: this is not Windows")
    if "standin.from=cd" in Path("/proc/cmdline").read_text().split():
        setup.main()
    volume = _find_windows()
    try:
        ending = _play(volume)
    except (AnswerError, OSError) as error:
        setup.dialog(f"Windows could not complete the installation: {error}")
    ending()
    wait_for_ever()


def _play(volume: Path) -> Callable[[], None]:
    """Play a phase with the volume mounted; return what ends it when the volume is clean again."""
    with windows.mounted(volume):
        state = windows.state()
        if "boot-loop" in state.faults:
            return lambda: leave("reboot")
        if "stop-error" in state.faults:
            return lambda: show_alone(":(", _BLUE_SCREEN)
        if state.phase == "specialize":
            return _specialize()
        if state.phase == "first-logon":
            return _first_logon(volume, state.faults)
        return _start_clone() if state.phase == "oobe" else _desktop


def _specialize() -> Callable[[], None]:
    report("specialize")
    answers = specialize.find_answers("specialize", _log())
    specialize.apply(answers)
    windows.go_on("first-logon")
    return lambda: leave("reboot")


def _first_logon(volume: Path, faults: tuple[str, ...]) -> Callable[[], None]:
    answers = specialize.find_answers("oobeSystem", _log())
    if not answers or not _logs_on(answers):
        return lambda: setup.dialog("Press Ctrl+Alt+Del to sign in.")
    windows.set_image_state("IMAGE_STATE_COMPLETE")
    windows.change_system({"Setup": {"SystemSetupInProgress": 0}})
    if windows.ANSWERS.exists():
        windows.ANSWERS.write_text(seal.blanked(windows.ANSWERS.read_text(errors="replace")))
    try:
        scripts = first_logon.run(answers, faults)
    except ScriptError as error:
        report(f"failed {error}")
        return lambda: leave("poweroff")
    if scripts is None:
        windows.go_on("desktop")
        return _desktop
    seal.run(scripts, faults)

    def power_off() -> None:
        if "dirty-ntfs" in faults:
            ntfs.mark_dirty(volume)
        leave("poweroff")

    return power_off


def _logs_on(answers: Answers) -> bool:
    """Say whether somebody logs on by himself; both passwords must be encoded for their places, as for Windows."""
    administrator, logon = answers.administrator_password, answers.logon_password
    return bool(administrator and logon and administrator.decode() == logon.decode())


def _start_clone() -> Callable[[], None]:
    """Play OOBE on a machine made from the sealed disk: its own answer file, its own name, a desktop."""
    report("specialize")
    answers = specialize.find_answers("specialize", _log())
    name = specialize.apply(answers)
    windows.set_image_state("IMAGE_STATE_COMPLETE")
    windows.go_on("desktop")
    mention(f"the computer '{name}' is up")
    return _desktop


def _desktop() -> None:
    show("(a desktop; the power button works)")
    wait_for_power_button()
    leave("poweroff")


def _log() -> PantherLog:
    return PantherLog(windows.PANTHER / "UnattendGC")


def _find_windows() -> Path:
    """Return the largest partition of the disk: Windows, whichever number the answer file gave it."""
    sizes = {path: int((path / "size").read_text()) for path in Path("/sys/class/block").glob("vda?*")}
    return Path("/dev", max(sizes, key=lambda path: sizes[path]).name)
