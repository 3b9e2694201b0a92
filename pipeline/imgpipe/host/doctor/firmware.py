"""UEFI firmware and the software TPM, for machines that want them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import firmware_files, process
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor.finding import Finding, State

_TPM_PROGRAMS = ("swtpm", "swtpm_setup")


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFacts:
    """Which UEFI builds are really here: `plain` without Secure Boot, `secure` with it and its keys; `tpm` by swtpm."""

    plain: bool
    secure: bool
    tpm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What machines want of the firmware."""

    uefi: bool = False
    secure_boot: bool = False
    tpm: bool = False


def gather(folders: Iterable[Path] = firmware_files.DESCRIPTORS) -> FirmwareFacts:
    """Look which UEFI builds there are; one whose files are gone does not count."""
    found = firmware_files.installed(folders)
    return FirmwareFacts(
        plain=any(each.plain for each in found),
        secure=any(each.secure for each in found),
        tpm=all(process.is_installed(program) for program in _TPM_PROGRAMS),
    )


def judge(facts: FirmwareFacts, distribution: Distribution) -> Iterator[Finding]:
    """Say what machines could not have; nothing of it stops those that want none."""
    if facts.plain and facts.secure:
        yield Finding(name="UEFI", state="ok", meaning="The firmware is installed, with and without Secure Boot.")
    else:
        yield _no_firmware(facts, distribution, "warn")
    if facts.tpm:
        yield Finding(name="TPM", state="ok", meaning="'swtpm' is installed.")
    else:
        yield _no_tpm(distribution, "warn")


def judge_needs(facts: FirmwareFacts, distribution: Distribution, wanted: Needs) -> Iterator[Finding]:
    """Say what is missing of what a machine wants; nothing where nothing is."""
    if wanted.uefi and not (facts.secure if wanted.secure_boot else facts.plain):
        yield _no_firmware(facts, distribution, "fail")
    if wanted.tpm and not facts.tpm:
        yield _no_tpm(distribution, "fail")


def _no_firmware(facts: FirmwareFacts, distribution: Distribution, state: State) -> Finding:
    which = "UEFI firmware" if not (facts.plain or facts.secure) else "UEFI firmware with Secure Boot and its keys"
    if facts.secure and not facts.plain:
        which = "UEFI firmware without Secure Boot"
    return Finding(
        name="UEFI",
        state=state,
        meaning=f"There is no {which}: machines that want it do not start.",
        commands=distribution.install("firmware"),
    )


def _no_tpm(distribution: Distribution, state: State) -> Finding:
    return Finding(
        name="TPM",
        state=state,
        meaning="'swtpm' or 'swtpm_setup' is not installed: machines that want a TPM (Windows) do not start.",
        commands=distribution.install("tpm"),
    )
