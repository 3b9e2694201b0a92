"""Windows, as a plugin: eight systems, and the media they need beside their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from imgpipe.deploy.wanted import Identity
from imgpipe.hookspecs import hookimpl
from imgpipe.offline_edits import Step
from imgpipe.os_family import (
    Described,
    Fault,
    Inspected,
    MediumContent,
    Order,
    OsFamily,
    Personalise,
    System,
    Unattended,
)
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.systems import RELEASES

STAND_IN = "windows-setup-stand-in"


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield Windows."""
    yield OsFamily(
        name="windows",
        answer_kind="unattend",
        systems=tuple(release.system for release in RELEASES.values()),
        prepare=_prepare,
        lint=_lint,
        options=WindowsOptions,
        stand_in=STAND_IN,
        personalise_files=_personalise_files,
        inspect=_inspect,
        describe=_describe,
        clear_passwords=True,
    )


# Loaded when asked: most commands need none of it.


def _prepare(order: Order) -> Unattended:
    from imgpipe_windows.prepare import prepare

    return prepare(order)


def _lint(text: str, system: System, firmware: str) -> tuple[Fault, ...]:
    from imgpipe_windows.lint import lint

    return lint(text, system, firmware)


def _inspect(system: System, answer: Unattended, media: Mapping[str, MediumContent]) -> Inspected:
    from imgpipe_windows.media.inspect import inspect

    return inspect(system, answer, media)


def _describe(medium: MediumContent) -> Described | None:
    from imgpipe_windows.media.describe import describe

    return describe(medium)


def _personalise_files(identity: Identity, personalise: Personalise) -> tuple[Step, ...]:
    from imgpipe_windows.clones import personalise_files

    return personalise_files(identity, personalise)
