"""What Windows cannot remove of itself before it switches off: the sysprep operations of its disks."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove
from imgpipe_windows import stop_errors
from imgpipe_windows.clones import PANTHER_FILE
from imgpipe_windows.proof import MARKER

ANSWER_FILES = "windows-answer-files"

_COPIES = (
    "/unattend.xml",
    "/autounattend.xml",
    "/Windows/Panther/autounattend.xml",
    "/Windows/Panther/Unattend",
    "/Windows/Panther/UnattendGC/*.xml",
    "/Windows/System32/Sysprep/*.xml",
    "/Windows/System32/Sysprep/Panther/*.xml",
)
_SETUP = ("/$WINDOWS.~BT", "/$WINDOWS.~LS")
_MEMORY = ("/pagefile.sys", "/swapfile.sys", "/hiberfil.sys", *stop_errors.PATTERNS)


def operations(*, cloudbase_init: bool = False) -> tuple[Operation, ...]:
    """Return the operations; with cloudbase-init the answer file that ends the wizard stays, without our passwords."""
    copies = _COPIES if cloudbase_init else (*_COPIES, PANTHER_FILE)
    return (
        _removal(ANSWER_FILES, "Remove the copies of answer files, which hold passwords.", copies),
        _removal("windows-setup-files", "Remove what Windows Setup unpacked, and left.", _SETUP),
        Operation(
            name="windows-scripts",
            description="Remove the first-logon scripts and their logs, but not what they noted as proof.",
            steps=(Remove(patterns=("/imgpipe/*",), keep=(MARKER,)),),
            sealed=(Absent(patterns=("/imgpipe/*",), keep=(MARKER,)),),
        ),
        _removal("windows-paged-memory", "Remove paged memory and crash dumps, which may hold secrets.", _MEMORY),
    )


def _removal(name: str, description: str, patterns: tuple[str, ...]) -> Operation:
    return Operation(
        name=name, description=description, steps=(Remove(patterns=patterns),), sealed=(Absent(patterns=patterns),)
    )
