"""Media that imgpipe downloaded: `cache/<digest>/<name>`, named by the digest that vouches for them."""

from __future__ import annotations

from pathlib import Path

from imgpipe.adapters import download
from imgpipe.events import Listener, Note
from imgpipe.media.checksums import Checksum
from imgpipe.media.digests import file_digest, remember
from imgpipe.media.progress import reporter
from imgpipe.media.verify import wrong_digest
from imgpipe.own_files import is_own
from imgpipe.store import Store, lock
from imgpipe.urls import file_name, without_login


def downloaded(url: str, expected: tuple[Checksum, ...], store: Store, notify: Listener) -> Path:
    """Return the medium at a URL, downloaded if need be; it has its name only if every digest is right.

    Two builds download it once. A broken download is kept and resumed; one with a wrong digest is removed.
    """
    name = file_name(url)
    folder = store.cache / expected[0].digest
    target = folder / name
    with lock(store.lock_file(f"download-{expected[0].digest}"), lambda holder: notify(_waiting(name, holder))):
        if is_own(target) and _is_right(target, expected, store):
            return target
        target.unlink(missing_ok=True)
        _bring(url, target, expected, (store, notify))
    return target


def _bring(url: str, target: Path, expected: tuple[Checksum, ...], services: tuple[Store, Listener]) -> None:
    store, notify = services
    part = target.with_name(f"{target.name}.part")
    notify(Note(text=f"Downloading '{target.name}' from '{without_login(url)}'."))
    sha256 = download.download(url, part, reporter(notify, f"downloading {target.name}"))
    for checksum in expected:
        actual = sha256 if checksum.algorithm == "sha256" else file_digest(part, checksum.algorithm, store)
        if actual != checksum.digest:
            download.forget_part(part)
            raise wrong_digest(target.name, checksum, actual)
    part.replace(target)
    download.forget_about(part)
    remember(target, "sha256", sha256, store)


def _is_right(path: Path, expected: tuple[Checksum, ...], store: Store) -> bool:
    return all(file_digest(path, checksum.algorithm, store) == checksum.digest for checksum in expected)


def _waiting(name: str, holder: str) -> Note:
    return Note(text=f"Waiting for {holder}, which downloads '{name}'.")
