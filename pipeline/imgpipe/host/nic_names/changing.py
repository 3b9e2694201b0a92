"""Giving the NICs other names, and back: what is written is saved first, and nothing is restarted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from imgpipe.errors import HostError
from imgpipe.host.nic_names import grub_defaults
from imgpipe.host.nic_names.planning import DEFAULTS, FileChange, NamesPlan, is_grubbys_own, lacking, remaining
from imgpipe.model_faults import reason
from imgpipe.own_files import read_own, write_new
from imgpipe.recipe import Table
from imgpipe.store import finished_file

Run = Callable[..., str]
"""`imgpipe.adapters.process.run`."""


class SavedFile(Table):
    """A file's text before and after, so that a later change by others is seen."""

    path: str
    before: str | None
    after: str


class Record(Table):
    """What was done, for the way back."""

    files: tuple[SavedFile, ...]
    undo: tuple[tuple[str, ...], ...]
    arguments: tuple[str, ...]
    made: tuple[str, ...] = ()


def apply(plan: NamesPlan, root: Path, kept: Path, run: Run) -> Path:
    """Save, write, and run the commands; if one of them fails, everything is as it was. Returns the saved files."""
    folder = kept / f"{1 + max((int(path.name) for path in kept.glob('[0-9]*')), default=0):04}"
    folder.mkdir(parents=True, mode=0o700)
    for path in plan.saved:
        copy = folder / "files" / path.relative_to("/")
        if (root / path.relative_to("/")).is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / path.relative_to("/"), copy)
    saved = tuple(SavedFile(path=str(item.path), before=item.before, after=item.after) for item in plan.files)
    record = Record(files=saved, undo=plan.undo, arguments=plan.arguments, made=tuple(map(str, plan.made)))
    with finished_file(folder / "record.json") as partial:
        write_new(partial, record.model_dump_json(indent=2))
    try:
        for change in plan.files:
            _write(root, change)
        _run(root, plan.commands, run)
        # grubby ends with exit code 0 whatever it could not write.
        if plan.wanted and (missing := lacking(root)):
            raise HostError(
                f"'{plan.commands[0][0]}' reported no fault, but {' '.join(missing)} did not get to every kernel.",
                hint="Is /boot mounted and writable, and is there room? 'grubby --info=ALL' shows the entries.",
            )
    except BaseException:
        _copy_back(folder / "files", root, plan)
        (folder / "record.json").unlink()
        raise
    return folder


def roll_back(root: Path, kept: Path, run: Run) -> tuple[str, ...]:
    """Undo the newest change and return the files that were put back.

    What others changed since stays: of GRUB's settings only our words go. Raises HostError where there is nothing to
    undo, or a file of ours was changed by others.
    """
    records = sorted(kept.glob("*/record.json"))
    if not records:
        raise HostError("There is no change of the NICs' names to undo.")
    try:
        record = Record.model_validate_json(read_own(records[-1]))
    except (OSError, ValidationError) as error:
        raise HostError(f"The record '{records[-1]}' cannot be read: {reason(error)}.") from None
    changes = [_undone(root, saved, record.arguments) for saved in record.files]
    for saved, text in zip(record.files, changes, strict=True):
        if text is None:
            (root / saved.path.lstrip("/")).unlink(missing_ok=True)
        else:
            _write(root, FileChange(path=Path(saved.path), before=saved.after, after=text))
    _run(root, record.undo, run)
    if left := remaining(root, record.arguments):
        raise HostError(
            f"The boot entries still have {' '.join(left)}.", hint="Is /boot mounted and writable? Then try again."
        )
    for path in record.made:
        if is_grubbys_own(root):
            (root / path.lstrip("/")).unlink(missing_ok=True)
    records[-1].unlink()
    return tuple(saved.path for saved in record.files)


def _run(root: Path, commands: tuple[tuple[str, ...], ...], run: Run) -> None:
    """Run commands; /etc/default/grub stays as it is, which an older grubby writes over."""
    path = root / DEFAULTS.relative_to("/")
    settings = path.read_bytes() if path.is_file() else None
    for command in commands:
        run(*command)
    if settings is not None and path.read_bytes() != settings:
        with finished_file(path) as partial:
            partial.write_bytes(settings)
            partial.chmod(path.stat().st_mode & 0o7777)


def _undone(root: Path, saved: SavedFile, arguments: tuple[str, ...]) -> str | None:
    path = root / saved.path.lstrip("/")
    now = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else None
    if now in {saved.after, saved.before, None}:
        return saved.before
    if saved.path == str(DEFAULTS):
        return grub_defaults.without_arguments(now or "", arguments)
    raise HostError(
        f"'{saved.path}' was changed since imgpipe wrote it.", hint="Change it by hand, or remove it and try again."
    )


def _write(root: Path, change: FileChange) -> None:
    path = root / change.path.relative_to("/")
    with finished_file(path) as partial:
        partial.write_text(change.after, encoding="utf-8", errors="surrogateescape")
        partial.chmod(path.stat().st_mode & 0o7777 if path.exists() else 0o644)


def _copy_back(copies: Path, root: Path, plan: NamesPlan) -> None:
    for path in plan.saved:
        copy, target = copies / path.relative_to("/"), root / path.relative_to("/")
        if copy.is_file():
            shutil.copy2(copy, target)
        elif any(change.path == path and change.before is None for change in plan.files):
            target.unlink(missing_ok=True)
    for path in plan.made:
        (root / path.relative_to("/")).unlink(missing_ok=True)
