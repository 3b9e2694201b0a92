"""The first phase, from the CD: answers, drivers, disk, image, boot loader, reboot."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from imgpipe_demo.installer.ending import leave, wait_for_ever
from imgpipe_demo.installer.programs import CommandError, run

from . import bootloader, discs, drivers, faults, images, partitions, windows
from .answers import AnswerError, Answers, read_answers
from .console import show, show_alone
from .images import Image, NoImageError
from .logs import PantherLog

_NAMES = ("autounattend.xml",)
_LOGS = Path("/panther")
_TITLE = "imgpipe stand-in for Windows Setup"
_SYSTEM = Path("/system")


def main() -> NoReturn:
    """Install from the CDs, or wait at a dialog."""
    roots = discs.mount_all()
    log = PantherLog(_LOGS)
    try:
        _install(roots, log)
    except (AnswerError, NoImageError, CommandError, OSError) as error:
        log.fail("SETUP", str(error))
        dialog(str(error))
    show("Restarting")
    leave("reboot")


def dialog(text: str) -> NoReturn:
    """Show a dialog that nobody will answer, and do nothing more."""
    show_alone(_TITLE, f"{text}\n\n  [ OK ]")
    wait_for_ever()


def uefi() -> bool:
    """Say whether UEFI started this machine."""
    return Path("/sys/firmware/efi").exists()


def _install(roots: dict[str, Path], log: PantherLog) -> None:
    medium = next((path.parent.parent for _, path in discs.find_on(roots, "sources", "install.wim")), None)
    if medium is None:
        raise AnswerError("A media driver your computer needs is missing: no CD has 'sources\\install.wim'.")
    path, answers = _find_answers(roots, log)
    image = _check(answers, medium, log)
    texts = [found.read_text(errors="replace") for _, found in discs.find_on(roots, faults.FILE)]
    asked = faults.asked(image.name, texts)
    if "dialog" in asked:
        dialog("Windows could not do what the answer file says (asked for by a fault).")
    _check_drivers(roots, windows.edition_in(medium / "sources/install.wim", image.index).drivers, log)
    target = partitions.partition(answers.install_to)
    creates, modifies = answers.partitions
    if ("ntfs", answers.install_to) not in {(modify.format, modify.number) for modify in modifies}:
        raise AnswerError("The partition to install to is not one that is formatted with NTFS.")
    show("Getting files ready for installation")
    log.note("IBS", f"Partitioning {partitions.DISK} as {path} says")
    partitions.make(creates, modifies, uefi=uefi())
    log.note("IBS", f"Applying image {image.index}, '{image.name}'")
    run("wimlib-imagex", "apply", medium / "sources/install.wim", str(image.index), target)
    system = partitions.partition(partitions.system_partition(creates, modifies, uefi=uefi()))
    with windows.mounted(target):
        _finish_windows(path, target, asked)
        if system == target:
            bootloader.install(windows.ROOT, medium, uefi=False)
    if system != target:
        _install_bootloader(system, medium)


def _find_answers(roots: dict[str, Path], log: PantherLog) -> tuple[Path, Answers]:
    for letter, path in discs.find_on(roots, *_NAMES):
        answers = read_answers(path)
        if answers.has_settings("windowsPE"):
            log.note("UNATT", f"Found usable unattend file for pass [windowsPE] at [{letter}:\\{path.name}]")
            return path, answers
    raise AnswerError("Language to install: (no CD has an answer file, so a person is asked).")


def _check(answers: Answers, medium: Path, log: PantherLog) -> Image:
    languages = (discs.find(medium, "sources", "lang.ini") or medium / "sources/lang.ini").read_text()
    if f"{answers.ui_language.lower()} =" not in languages.lower() or not answers.ui_language:
        raise AnswerError(f"Language to install: ('{answers.ui_language}' is not on the medium).")
    if not answers.accepts_eula:
        raise AnswerError("Applicable notices and license terms: (they are not accepted, so a person is asked).")
    log.note("IBS", "The answer file is complete for the pass [windowsPE]")
    return images.choose(images.read_images(medium / "sources/install.wim"), *answers.image)


def _check_drivers(roots: dict[str, Path], suitable: Collection[str], log: PantherLog) -> None:
    for letter in roots:
        log.note("IBS", f"PnPIBS: Checking for pre-configured driver directory {letter}:\\{drivers.FOLDER}.")
    inf = drivers.storage_driver(roots, suitable)
    if inf is None or not partitions.DISK.exists():
        log.fail("IBS", "Failed to query disk [0]")
        raise AnswerError(
            "We couldn't find any drives: there is no virtio disk, or no CD has a viostor.inf that this Windows loads."
        )
    log.note("IBS", f"PnPIBS: Successfully injected driver package {inf.name}")


def _finish_windows(answers: Path, target: Path, asked: frozenset[str]) -> None:
    shutil.copytree(_LOGS, windows.PANTHER, dirs_exist_ok=True)
    shutil.copyfile(answers, windows.ANSWERS)
    windows.set_image_state("IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE")
    windows.change_system({"Setup": {"SystemSetupInProgress": 1}, "MountedDevices": _letters(target)})
    windows.go_on("specialize", tuple(sorted(asked)))


def _letters(target: Path) -> dict[str, bytes]:
    """Return what Windows keeps of drive C: the partition's GUID, or the disk's signature and a byte offset."""
    if uefi():
        guid = run("sfdisk", "--part-uuid", partitions.DISK, target.name.removeprefix(partitions.DISK.name)).strip()
        first, second, third, *rest = guid.split("-")
        mixed = struct.pack("<IHH", int(first, 16), int(second, 16), int(third, 16)) + bytes.fromhex("".join(rest))
        return {"\\DosDevices\\C:": b"DMIO:ID:" + mixed}
    start = int(Path("/sys/class/block", target.name, "start").read_text()) * 512
    return {"\\DosDevices\\C:": struct.pack("<IQ", int(partitions.DISK_ID, 16), start)}


def _install_bootloader(system: Path, medium: Path) -> None:
    _SYSTEM.mkdir(exist_ok=True)
    if uefi():
        run("mount", "-t", "vfat", system, _SYSTEM)
    else:
        run("ntfs-3g", system, _SYSTEM)
    bootloader.install(_SYSTEM, medium, uefi=uefi())
    run("umount", _SYSTEM)
