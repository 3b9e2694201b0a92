"""The proof that Windows sealed itself: Sysprep's own marks, the registry, and what our first-logon script noted.

The places and values are those of Microsoft's page 'Windows Setup States'; the marker is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from imgpipe.disclosure import one_line
from imgpipe.model_faults import faults
from imgpipe.self_sealing import DiskFacts, Judgement, RegistryValue, SelfSealing, SystemVolume
from imgpipe_windows import logs, stop_errors

TAG = "/Windows/System32/Sysprep/Sysprep_succeeded.tag"
STATE = "/Windows/Setup/State/State.ini"
MARKER = "/imgpipe/sealed.json"
SOFTWARE = "/Windows/System32/config/SOFTWARE"
SYSTEM = "/Windows/System32/config/SYSTEM"
GENERALIZED = "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE"

IMAGE_STATE = RegistryValue(hive=SOFTWARE, key=r"Microsoft\Windows\CurrentVersion\Setup\State", name="ImageState")
PRODUCT = RegistryValue(hive=SOFTWARE, key=r"Microsoft\Windows NT\CurrentVersion", name="ProductName")
BUILD = RegistryValue(hive=SOFTWARE, key=r"Microsoft\Windows NT\CurrentVersion", name="CurrentBuild")
LOGON_PASSWORD = RegistryValue(
    hive=SOFTWARE, key=r"Microsoft\Windows NT\CurrentVersion\Winlogon", name="DefaultPassword"
)
ANSWER_FILE = RegistryValue(hive=SYSTEM, key="Setup", name="UnattendFile")

VOLUME = SystemVolume(holds=(SOFTWARE,))
SECRET_PLACES = (
    "/*",
    "/imgpipe/*",
    "/Windows/Panther/*",
    "/Windows/Panther/*/*",
    "/Windows/Setup/*/*",
    "/Windows/System32/Sysprep/*",
    "/Windows/System32/Sysprep/*/*",
    "/Windows/Temp/*",
    "/Users/*/AppData/Local/Temp/*",
    "/Program Files/Cloudbase Solutions/Cloudbase-Init/*/*",
)

_STATES = {
    "IMAGE_STATE_COMPLETE": "it was installed, but never generalized",
    "IMAGE_STATE_UNDEPLOYABLE": "a phase of its setup, or sysprep, failed or was interrupted",
    "IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE": "it was sealed without '/generalize'",
    "IMAGE_STATE_SPECIALIZE_RESEAL_TO_AUDIT": "it was sealed for audit mode, without '/generalize'",
    "IMAGE_STATE_GENERALIZE_RESEAL_TO_AUDIT": "it was sealed for audit mode",
}
# Reboot required (Windows Installer), and pnputil's 'no more items': the driver is there, no device needs it now.
_DRIVER_DONE = (0, 3010, 259)
_STEP_DONE = (0, 3010)
_INI_LINE = re.compile(r"^\s*ImageState\s*=\s*\"?([A-Za-z_]{1,80})", re.IGNORECASE | re.MULTILINE)

_Name = Annotated[str, StringConstraints(max_length=100)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Done(_Part):
    """A program of the first-logon script, and what it returned."""

    name: _Name
    exit: int


class _Marker(_Part):
    """The marker that the first-logon script writes right before sysprep."""

    imgpipe: Literal[1]
    system: _Name
    drivers: Annotated[tuple[_Done, ...], Field(min_length=1, max_length=64)]
    steps: Annotated[tuple[_Done, ...], Field(max_length=64)] = ()


def judge(facts: DiskFacts) -> Judgement:
    """Return whether Windows sealed itself, what says so, and everything that speaks against it."""
    faults = [*facts.unclean, *_state_faults(facts), *_secret_faults(facts)]
    marker = _marker(facts.files.get(MARKER))
    if isinstance(marker, str):
        faults.append(marker)
    else:
        faults += _exit_faults(marker)
    if faults or isinstance(marker, str):
        return Judgement(asserted=(), faults=tuple(faults), product=_text(facts, PRODUCT))
    done = [f"{one.name} {one.exit}" for one in (*marker.drivers, *marker.steps)]
    return Judgement(
        asserted=(
            "Sysprep left its tag of success.",
            f"State.ini and the registry both say {GENERALIZED}.",
            f"The first-logon script ended well: {', '.join(done)}.",
            "NTFS is clean, and Windows is not hibernated.",
            "No password for an automatic logon is in the registry.",
        ),
        faults=(),
        state=(("image state", GENERALIZED), ("system", marker.system), ("exit codes", ", ".join(done))),
        product=_text(facts, PRODUCT),
        version=_text(facts, BUILD),
    )


def judge_for_cds(facts: DiskFacts) -> Judgement:
    """Return the same for a template whose clones bring a CD: the registry may not even name the file in Panther."""
    found = judge(facts)
    path = facts.registry.get(ANSWER_FILE)
    if not path or not _is_panthers(path):
        return found
    fault = f"the registry names an answer file that clones would look for before their CD: '{one_line(path, 200)}'"
    return replace(found, asserted=(), faults=(*found.faults, fault), state=(), version="")


def _state_faults(facts: DiskFacts) -> Iterator[str]:
    if facts.files.get(TAG) is None:
        yield "Sysprep did not succeed: 'Sysprep_succeeded.tag' is missing"
    content = facts.files.get(STATE)
    found = _INI_LINE.search(logs.decoded(content)) if content else None
    yield from _wrong_state("State.ini", found[1].upper() if found else None)
    yield from _wrong_state("the registry", facts.registry.get(IMAGE_STATE))


def _wrong_state(where: str, state: str | None) -> Iterator[str]:
    if state is None:
        yield f"{where} does not say in which state the image is"
    elif state != GENERALIZED:
        meaning = _STATES.get(state)
        yield f"{where} says '{one_line(state, 80)}'{f': {meaning}' if meaning else ''}"


def _secret_faults(facts: DiskFacts) -> Iterator[str]:
    if facts.registry.get(LOGON_PASSWORD):
        yield "the registry holds a password for an automatic logon (Winlogon, 'DefaultPassword')"
    # It outranks the file in Panther by which each clone is told who it is.
    path = facts.registry.get(ANSWER_FILE)
    if path and not _is_panthers(path):
        yield f"the registry names an answer file that clones would read instead of theirs: '{one_line(path, 200)}'"


def _is_panthers(path: str) -> bool:
    return path.replace("/", "\\").casefold().endswith(r"\windows\panther\unattend.xml")


def _marker(content: bytes | None) -> _Marker | str:
    if content is None:
        return r"the first-logon script did not get to its end: 'C:\imgpipe\sealed.json' is missing"
    try:
        return _Marker.model_validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        return rf"'C:\imgpipe\sealed.json' cannot be read: {one_line(faults(error)[0])}"


def _exit_faults(marker: _Marker) -> Iterator[str]:
    for what, parts, fine in (("driver", marker.drivers, _DRIVER_DONE), ("step", marker.steps, _STEP_DONE)):
        for part in parts:
            if part.exit not in fine:
                yield f"the {what} '{one_line(part.name, 100)}' failed with exit code {part.exit}"


def _text(facts: DiskFacts, value: RegistryValue) -> str:
    return one_line(facts.registry.get(value) or "", 200)


SEALING = SelfSealing(
    volume=VOLUME,
    files=(TAG, STATE, MARKER),
    registry=(IMAGE_STATE, PRODUCT, BUILD, LOGON_PASSWORD, ANSWER_FILE),
    judge=judge,
    logs=logs.PATTERNS,
    explain=logs.explain,
    secret_places=SECRET_PLACES,
    dumps=stop_errors.PATTERNS,
)
SEALING_FOR_CDS = replace(SEALING, judge=judge_for_cds)
