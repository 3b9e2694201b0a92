"""Stop errors, by the header of the crash dump that Windows writes when it has one.

The header is DUMP_HEADER64 of Microsoft's debuggers: 'PAGEDU64', at 0x38 the code, at 0x40 its four parameters, all
little-endian. A stop error before there is a page file leaves no dump; where KVM runs the machine, libvirt is told of
it by the panic device.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

PATTERNS = ("/Windows/MEMORY.DMP", "/Windows/Minidump/*.dmp")
"""Where dumps lie by default; glob patterns in any case."""

_SIGNATURE = b"PAGEDU64"
_CODE = struct.Struct("<I")
_PARAMETERS = struct.Struct("<4Q")
_NAMES = {
    0x0A: "IRQL_NOT_LESS_OR_EQUAL",
    0x1E: "KMODE_EXCEPTION_NOT_HANDLED",
    0x24: "NTFS_FILE_SYSTEM",
    0x3B: "SYSTEM_SERVICE_EXCEPTION",
    0x50: "PAGE_FAULT_IN_NONPAGED_AREA",
    0x5C: "HAL_INITIALIZATION_FAILED",
    0x5D: "UNSUPPORTED_PROCESSOR",
    0x7A: "KERNEL_DATA_INPAGE_ERROR",
    0x7B: "INACCESSIBLE_BOOT_DEVICE",
    0x7E: "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
    0x9F: "DRIVER_POWER_STATE_FAILURE",
    0xA5: "ACPI_BIOS_ERROR",
    0xC4: "DRIVER_VERIFIER_DETECTED_VIOLATION",
    0xD1: "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
    0xEF: "CRITICAL_PROCESS_DIED",
    0x101: "CLOCK_WATCHDOG_TIMEOUT",
    0x124: "WHEA_UNCORRECTABLE_ERROR",
    0x133: "DPC_WATCHDOG_VIOLATION",
}


def is_dump(path: str) -> bool:
    """Say whether a file is a crash dump by its name."""
    return path.casefold().endswith(".dmp")


def stop_errors(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return what each dump tells, by path: '0x0000007B (INACCESSIBLE_BOOT_DEVICE) with 0x1, 0x2, 0x3, 0x4'.

    `files` are the starts of dumps; one that is cut or not written yet tells nothing.
    """
    told = {path: _told(content) for path, content in files.items()}
    return {path: text for path, text in told.items() if text}


def _told(content: bytes) -> str:
    if not content.startswith(_SIGNATURE) or len(content) < 0x40 + _PARAMETERS.size:
        return ""
    (code,) = _CODE.unpack_from(content, 0x38)
    name = f" ({_NAMES[code]})" if code in _NAMES else ""
    parameters = ", ".join(f"{value:#x}" for value in _PARAMETERS.unpack_from(content, 0x40))
    return f"{code:#010x}{name} with {parameters}"
