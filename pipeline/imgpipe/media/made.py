"""Media that are made on this host, once: `cache/made/<maker>-<fingerprint>.iso`."""

from __future__ import annotations

from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.events import Listener, Note, Progress
from imgpipe.media.progress import STAGE
from imgpipe.os_family import MediumMaker
from imgpipe.own_files import is_own
from imgpipe.store import Store, finished_file, lock


def made_medium(maker: MediumMaker, store: Store, notify: Listener) -> Path:
    """Return the medium that a maker makes, kept from before or made now; two builds make it once.

    Raises HostError if programs are missing, besides what the maker raises.
    """
    path = store.cache / "made" / f"{maker.name}-{maker.fingerprint()[:16]}.iso"
    if is_own(path):
        return path
    missing = [program for program in maker.programs if not process.is_installed(program)]
    if missing:
        names = ", ".join(f"'{program}'" for program in missing)
        raise HostError(
            f"The medium '{maker.name}' cannot be made: not installed are {names}.",
            hint="Run 'imgpipe host setup', or install them.",
        )
    with lock(store.lock_file(f"made-{path.stem}"), lambda holder: notify(_waiting(maker, holder))):
        if not is_own(path):
            notify(Note(text=f"Making the medium '{maker.name}': {maker.summary}."))
            with finished_file(path) as partial:
                maker.make(partial, lambda phase: notify(Progress(stage=STAGE, phase=phase)))
    return path


def _waiting(maker: MediumMaker, holder: str) -> Note:
    return Note(text=f"Waiting for {holder}, which makes the medium '{maker.name}'.")
