"""Makes install.wim in the build's root: every image is folders, registry hives and files that say what they are.

Runs by `make_images.py EDITIONS WIM`; `EDITIONS` is JSON as of imgpipe_windows_standin.editions.
"""

import json
import shutil
import struct
import sys
from pathlib import Path
from typing import Any

from imgpipe_demo.installer.programs import run
from imgpipe_windows_standin.installer.registry import Value, change_hive, empty_hive

_FOLDERS = (
    *("Windows/System32/Sysprep", "Windows/System32/config", "Windows/System32/drivers", "Windows/INF"),
    *("Windows/Panther", "Windows/Setup/State", "Windows/Temp", "Windows/Fonts", "Program Files", "ProgramData"),
    *("Users/Default", "Users/Public", "PerfLogs"),
)
_PROGRAMS = (
    *("explorer.exe", "regedit.exe", "System32/cmd.exe", "System32/kernel32.dll", "System32/Sysprep/sysprep.exe"),
)
_HIVES = ("SOFTWARE", "SYSTEM", "SAM", "SECURITY", "DEFAULT")
_LANGUAGES = ("en-US", "zh-CN")


def main() -> None:
    """Capture one image for every edition."""
    wim, tree = Path(sys.argv[2]), Path("/.imgpipe/windows")
    for edition in json.loads(Path(sys.argv[1]).read_text()):
        _make_tree(tree, edition)
        verb = "append" if wim.exists() else "capture"
        compression = ("--compress=fast",) if verb == "capture" else ()
        properties = [f"--image-property={name}={value}" for name, value in _properties(edition).items()]
        run("wimlib-imagex", verb, tree, wim, edition["name"], _DESCRIPTION, *compression, *properties)
        shutil.rmtree(tree)


_DESCRIPTION = "imgpipe stand-in, not Windows"


def _properties(edition: dict[str, Any]) -> dict[str, object]:
    major, minor, build = edition["version"]
    return {
        "DISPLAYNAME": edition["display_name"],
        "DISPLAYDESCRIPTION": _DESCRIPTION,
        "FLAGS": edition["flags"],
        # 9 is x86-64 (SYSTEM_INFO of Windows' sysinfoapi.h).
        "WINDOWS/ARCH": 9,
        "WINDOWS/PRODUCTNAME": _DESCRIPTION,
        "WINDOWS/EDITIONID": edition["edition_id"],
        "WINDOWS/INSTALLATIONTYPE": _installation_type(edition),
        "WINDOWS/PRODUCTTYPE": "WinNT" if edition["client"] else "ServerNT",
        **{f"WINDOWS/LANGUAGES/LANGUAGE[{number}]": name for number, name in enumerate(_LANGUAGES, start=1)},
        "WINDOWS/LANGUAGES/DEFAULT": _LANGUAGES[0],
        "WINDOWS/VERSION/MAJOR": major,
        "WINDOWS/VERSION/MINOR": minor,
        "WINDOWS/VERSION/BUILD": build,
        "WINDOWS/VERSION/SPBUILD": 1,
        "WINDOWS/VERSION/SPLEVEL": 0,
        "WINDOWS/SYSTEMROOT": "WINDOWS",
    }


def _make_tree(tree: Path, edition: dict[str, Any]) -> None:
    for folder in _FOLDERS:
        (tree / folder).mkdir(parents=True)
    for name in _PROGRAMS:
        (tree / "Windows" / name).write_bytes(_program(name))
    for name in _HIVES:
        (tree / "Windows/System32/config" / name).write_bytes(empty_hive())
    change_hive(tree / "Windows/System32/config/SOFTWARE", _software(edition))
    change_hive(tree / "Windows/System32/config/SYSTEM", _system())
    told = {name: edition[name] for name in ("system", "drivers")}
    (tree / "Windows/imgpipe-standin.json").write_text(json.dumps(told))


def _installation_type(edition: dict[str, Any]) -> str:
    if edition["client"]:
        return "Client"
    return "Server Core" if edition["edition_id"].endswith("Core") else "Server"


def _software(edition: dict[str, Any]) -> dict[str, dict[str, Value]]:
    major, minor, build = edition["version"]
    values: dict[str, Value] = {
        "ProductName": f"{edition['product']} (imgpipe stand-in)",
        "EditionID": edition["edition_id"],
        "InstallationType": _installation_type(edition),
        "CurrentBuild": str(build),
        "CurrentBuildNumber": str(build),
        # Windows 10 and later keep 6.3 here, and the truth in two numbers of their own.
        "CurrentVersion": "6.3" if major == 10 else f"{major}.{minor}",
        "SystemRoot": r"C:\Windows",
    }
    if major == 10:
        values |= {"CurrentMajorVersionNumber": major, "CurrentMinorVersionNumber": minor}
    state: dict[str, Value] = {"ImageState": "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"}
    return {
        r"Microsoft\Windows NT\CurrentVersion": values,
        r"Microsoft\Windows\CurrentVersion": {"ProgramFilesDir": r"C:\Program Files"},
        r"Microsoft\Windows\CurrentVersion\Setup\State": state,
    }


def _system() -> dict[str, dict[str, Value]]:
    name: dict[str, Value] = {"Hostname": "MINWINPC"}
    return {
        "Select": {"Current": 1, "Default": 1, "Failed": 0, "LastKnownGood": 1},
        "Setup": {"SystemSetupInProgress": 1},
        "MountedDevices": {},
        r"ControlSet001\Services\Tcpip\Parameters": name,
        r"ControlSet001\Control\ComputerName\ComputerName": {"ComputerName": "MINWINPC"},
        r"ControlSet001\Control\Nls\Language": {"Default": "0409", "InstallLanguage": "0409"},
    }


def _program(name: str) -> bytes:
    """Return a file that programs take for one of 64-bit Windows, and that can do nothing."""
    text = f"This is imgpipe's stand-in for {name}: it does nothing.\r\n".encode()
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 256) + text
    # PE signature, machine x86-64, no sections, an optional header of 240 bytes, executable image.
    header = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 0, 0, 0, 0, 240, 0x22)
    # PE32+, subsystem 3 (console) at byte 68.
    optional = struct.pack("<H", 0x20B).ljust(68, b"\0") + struct.pack("<H", 3)
    return dos.ljust(256, b"\0") + header + optional.ljust(240, b"\0")


main()
