"""Sysprep: what it leaves on the disk when it succeeds, and when it does not."""

from __future__ import annotations

import re
import shutil

from . import windows
from .console import report
from .logs import PantherLog

_BLANK = "*SENSITIVE*DATA*DELETED*"
_PASSWORDS = re.compile(r"(Password\b[^/>]*>\s*(?:<PlainText>\w*</PlainText>\s*)?<Value>)[^<]*(</Value>)")


def run(scripts: str, faults: tuple[str, ...]) -> None:
    """Seal as the scripts ask for, or fail as the faults do."""
    report("sysprep")
    log = PantherLog(windows.SYSPREP / "Panther", utf16=True)
    log.note("SYSPRP", "sysprep stand-in started with /generalize /oobe /shutdown")
    _leave_answers(scripts)
    if "no-tag" in faults:
        log.fail(
            "SYSPRP", "Package Imgpipe.StandIn_1.0_x64 was installed for a user, but not provisioned for all users."
        )
        log.fail("SYSPRP", "Failed to remove apps for the current user: 0x80073cf2.")
        log.fail("SYSPRP", "Exit code of RemoveAllApps thread was 0x3cf2.")
        windows.set_image_state("IMAGE_STATE_COMPLETE")
        windows.go_on("desktop")
        return
    (windows.SYSPREP / "Sysprep_succeeded.tag").touch()
    if "undeployable" in faults:
        log.fail("SYSPRP", "The image is undeployable (asked for by a fault).")
        windows.set_image_state("IMAGE_STATE_UNDEPLOYABLE")
    else:
        windows.set_image_state("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE")
    if "hibernated" in faults:
        # ntfs-3g, as Windows, takes a volume for hibernated by the first bytes of this file.
        (windows.ROOT / "hiberfil.sys").write_bytes(b"hibr".ljust(4096, b"\0"))
    log.note("SYSPRP", "Shutting down")
    windows.go_on("oobe")


def blanked(text: str) -> str:
    """Return an answer file as Windows caches it once it is used: every password's value blanked."""
    return _PASSWORDS.sub(rf"\g<1>{_BLANK}\g<2>", text)


def _leave_answers(scripts: str) -> None:
    """Leave the answer file that the next boot finds: sysprep's own, none, or what Setup cached."""
    words, own = scripts.lower(), windows.SCRIPTS / "sysprep.xml"
    if "/unattend:" in words and own.exists():
        shutil.copyfile(own, windows.ANSWERS)
    elif re.search(r"del\b.*panther\\unattend\.xml", words):
        windows.ANSWERS.unlink(missing_ok=True)
