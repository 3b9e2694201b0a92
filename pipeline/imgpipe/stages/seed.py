"""What the installer boots from and reads: kernel, initrd and answer files, written from the plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from imgpipe.adapters.iso import Iso, open_iso
from imgpipe.adapters.seed_iso import write_seed as write_seed_iso
from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.errors import HostError, PluginError, RecipeError
from imgpipe.events import Note, Progress
from imgpipe.json_text import parse_json
from imgpipe.media.cpio import archive, padding
from imgpipe.media.find import natural_order
from imgpipe.media.identify import MediumFacts, read_facts
from imgpipe.media.label import escape
from imgpipe.os_family import KernelBoot
from imgpipe.own_files import open_for_writing, open_own, read_own, write_new
from imgpipe.plan import Plan
from imgpipe.stages.seed_copies import copied_files
from imgpipe.store import finished_file, lock
from imgpipe.workplace import Workplace

_STAGE = "seed"
_KERNEL, _INITRD, _ISO = "kernel", "initrd", "seed.iso"
_RECORD = "seed.json"


def write_seed(plan: Plan, medium: Medium, workplace: Workplace) -> SeedMedia:
    """Write kernel, initrd and seed ISO to the install's work folder, all 0600; what is whole there is reused.

    Raises RecipeError if the medium has no such kernel, PluginError if the plan cannot be carried out, HostError if
    there is no room.
    """
    boot, seed = plan.unattended.boot, plan.unattended.seed
    if seed.place == "initrd" and not isinstance(boot, KernelBoot):
        raise PluginError(f"'{plan.family}' puts answer files in the initrd, but boots the medium, which has its own.")
    folder = workplace.store.work(plan.install_key(medium.digest))
    files = ((_KERNEL, _INITRD) if isinstance(boot, KernelBoot) else ()) + ((_ISO,) if seed.place == "iso" else ())
    held = workplace.store.lock_file(f"work-{folder.name}-seed")
    with lock(held, lambda holder: workplace.notify(Note(text=f"Waiting for {holder}."))):
        if not _is_whole(folder, files):
            try:
                _write(plan, medium, folder, lambda phase: workplace.notify(Progress(stage=_STAGE, phase=phase)))
                _record(folder, files)
            except OSError as error:
                raise HostError(
                    f"The seed cannot be written to '{folder}': {error.strerror}.",
                    hint="Make room there, or use another disk.",
                ) from None
    return SeedMedia(
        folder=folder,
        digests=tuple((file.name, hashlib.sha256(file.text.encode()).hexdigest()) for file in seed.files),
        kernel=folder / _KERNEL if _KERNEL in files else None,
        initrd=folder / _INITRD if _INITRD in files else None,
        arguments=kernel_arguments(boot, medium.volume_id) if isinstance(boot, KernelBoot) else (),
        iso=folder / _ISO if _ISO in files else None,
    )


def kernel_arguments(boot: KernelBoot, volume_id: str) -> tuple[str, ...]:
    """Return the installer's kernel arguments with the medium's label, as udev writes it, in its place."""
    return tuple(argument.replace("{volume_id}", escape(volume_id)) for argument in boot.arguments)


def find_on_medium(medium: Iso, told: str, patterns: tuple[str, ...], what: str) -> str:
    """Return the path on the medium that `.treeinfo` tells, else the newest match of the first pattern that has one.

    Raises RecipeError that lists what was tried.
    """
    if told and medium.is_file(told):
        return told
    for pattern in patterns:
        if found := medium.glob(pattern):
            return max(found, key=natural_order)
    tried = ([f".treeinfo: {told}"] if told else []) + [f"path: {pattern}" for pattern in patterns]
    raise RecipeError(
        f"The medium '{medium.path.name}' has no {what} where its installer should be.",
        hint="Use an installation medium (not a live or source medium) of this system.",
        details=tried,
    )


def _write(plan: Plan, medium: Medium, folder: Path, say: Callable[[str], None]) -> None:
    boot, seed = plan.unattended.boot, plan.unattended.seed
    contents = {file.name: file.text.encode() for file in seed.files}
    if isinstance(boot, KernelBoot):
        with open_iso(medium.path) as iso:
            facts = read_facts(iso)
            say("copying the installer's kernel")
            with finished_file(folder / _KERNEL) as partial:
                iso.extract(find_on_medium(iso, facts.kernel, boot.kernel, "kernel"), partial)
            say("copying the installer's initrd")
            _write_initrd(iso, facts, folder / _INITRD, boot, contents if seed.place == "initrd" else {})
    if seed.place == "iso":
        say("writing the seed ISO")
        with finished_file(folder / _ISO) as partial, copied_files(seed.copies, medium, folder) as copied:
            write_seed_iso(partial, seed.volume_id, {**contents, **copied})


def _write_initrd(iso: Iso, facts: MediumFacts, target: Path, boot: KernelBoot, added: dict[str, bytes]) -> None:
    """Copy the initrd; `added` files follow it in an archive of their own, which the kernel unpacks over it."""
    with finished_file(target) as partial:
        iso.extract(find_on_medium(iso, facts.initrd, boot.initrd, "initrd"), partial)
        if added:
            with open_for_writing(partial, append=True) as file:
                file.write(bytes(padding(file.tell())))
                file.write(archive(added))


def _record(folder: Path, files: tuple[str, ...]) -> None:
    """Write what is whole, last of all."""
    with finished_file(folder / _RECORD) as partial:
        write_new(partial, json.dumps({name: _digest(folder / name) for name in files}), 0o600)


def _is_whole(folder: Path, files: tuple[str, ...]) -> bool:
    try:
        recorded = parse_json(read_own(folder / _RECORD))
        return isinstance(recorded, dict) and recorded == {name: _digest(folder / name) for name in files}
    except (OSError, ValueError):
        return False


def _digest(path: Path) -> str:
    with open_own(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
