"""Files from the network, and file:// URLs: the only module that imports requests and urllib.

A transfer that breaks is resumed where it stopped, if the server can do that and the file there is still the same
(RFC 9110, sections 13.1.5 and 14). Certificates are always verified.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from imgpipe.disclosure import without_bare_logins
from imgpipe.errors import HostError, RecipeError
from imgpipe.json_text import parse_json
from imgpipe.named_files import open_regular
from imgpipe.own_files import is_own, open_for_writing, read_own, write_new
from imgpipe.sizes import GIB, MIB, show_bytes
from imgpipe.urls import local_path, without_login

_log = logging.getLogger(__name__)

_CHUNK = MIB
_TIMEOUTS_S = (20, 60)
_MOST = 64 * GIB
_WORTH_RETRYING = {408, 425, 429, 500, 502, 503, 504}

BytesRead = Callable[[int, int | None], None]
"""Told how many bytes are here, and how many there will be, if the server says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often a transfer is tried in all, and how long to wait before the second try; then twice as long."""

    tries: int = 5
    first_pause_s: float = 1.0


def fetch_small(url: str, limit: int = MIB) -> bytes | None:
    """Return what is at a URL or a path, None if there is nothing; RecipeError if it is larger than `limit` bytes."""
    path = local_path(url)
    try:
        if path is not None:
            return _start_of_file(path, url, limit)
        with _get(url, {}) as answer:
            if answer.status_code in {404, 410}:
                return None
            _check(answer, url)
            return _bounded(answer.iter_content(64 * 1024), url, limit)
    except (requests.RequestException, _Worth) as error:
        raise _unreachable(url, error) from None


def download(url: str, part: Path, progress: BytesRead | None = None, patience: Patience | None = None) -> str:
    """Bring what is at `url` to `part` and return its sha256; what `part` holds of the same file is kept.

    Beside `part`, a file '<part>.json' remembers which file it is a part of. Raises RecipeError if the server has no
    such file, HostError if it cannot be reached or there is no room.
    """
    patience = patience or Patience()
    pause = patience.first_pause_s
    transfer = _Transfer(url, part, progress)
    with _room(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        for remaining in reversed(range(patience.tries)):
            try:
                return transfer.run()
            except (requests.RequestException, _Worth) as error:
                _log.info("download of %s broke off: %s", without_login(url), without_bare_logins(str(error)))
                if not remaining:
                    raise _unreachable(url, error) from None
            time.sleep(pause)
            pause *= 2
    raise AssertionError("unreachable: the last try returns or raises")


class _Worth(Exception):
    """The try failed in a way that another try may mend."""


class _Transfer:
    """One download into one part file, try after try."""

    def __init__(self, url: str, part: Path, progress: BytesRead | None) -> None:
        self._url = url
        self._part = part
        self._about = part.with_name(f"{part.name}.json")
        self._progress = progress or (lambda _done, _total: None)

    def run(self) -> str:
        """Try once, from where the try before stopped."""
        source = local_path(self._url)
        if source is not None:
            return self._copy(source)
        validator = self._validator()
        if not validator:
            self._part.unlink(missing_ok=True)
        held = self._part.stat().st_size if validator else 0
        # If-Range makes the server send the whole file if it is another one by now.
        headers = {"Range": f"bytes={held}-", "If-Range": validator} if held else {}
        with _get(self._url, headers) as answer:
            if answer.status_code == 416:
                self._part.unlink()
                raise _Worth("the server has less than was already here")
            _check(answer, self._url)
            return self._receive(answer, held if _resumes(answer, held) else 0)

    def _receive(self, answer: requests.Response, held: int) -> str:
        validator = _validator_of(answer)
        self._about.unlink(missing_ok=True)
        write_new(self._about, json.dumps({"url": self._url, "validator": validator}), 0o600)
        size = answer.headers.get("Content-Length", "")
        total = held + int(size) if size.isdecimal() else None
        digest = hashlib.sha256()
        with open_for_writing(self._part, append=bool(held)) as file:
            if held:
                _add_file(digest, self._part)
            for chunk in answer.iter_content(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                _refuse_endless(file.tell(), self._url)
                self._progress(file.tell(), total)
            done = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done != total:
            raise _Worth(f"{done} of {total} bytes came")
        return digest.hexdigest()

    def _copy(self, source: Path) -> str:
        digest = hashlib.sha256()
        total = _existing_size(source, self._url)
        with open_regular(source) as file, open_for_writing(self._part) as target:
            while chunk := file.read(_CHUNK):
                target.write(chunk)
                digest.update(chunk)
                self._progress(target.tell(), total)
        return digest.hexdigest()

    def _validator(self) -> str:
        """Return the validator of the file that the part is of; empty if there is nothing to go on with."""
        try:
            about = parse_json(read_own(self._about))
            held = is_own(self._part)
        except (OSError, ValueError):
            return ""
        is_ours = isinstance(about, dict) and about.get("url") == self._url and held
        return str(about.get("validator") or "") if is_ours else ""


def forget_part(part: Path) -> None:
    """Remove a part file and what is remembered about it."""
    part.unlink(missing_ok=True)
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def forget_about(part: Path) -> None:
    """Remove what is remembered about a part file that is whole and was moved to its place."""
    part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _get(url: str, headers: dict[str, str]) -> requests.Response:
    # A compressed transfer would change lengths and ranges.
    return requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=_TIMEOUTS_S)


def _check(answer: requests.Response, url: str) -> None:
    code = answer.status_code
    if code in _WORTH_RETRYING:
        raise _Worth(f"the server answered {code}")
    if code >= 400:
        raise RecipeError(
            f"The server refused '{without_login(url)}': {code} {answer.reason}.",
            hint="Check the URL: publishers move old releases to their archives.",
        )


def _resumes(answer: requests.Response, held: int) -> bool:
    begin = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    if answer.status_code == 206 and begin != str(held):
        raise _Worth("the server sent another range than was asked for")
    return answer.status_code == 206


def _validator_of(answer: requests.Response) -> str:
    """Return what identifies the file for If-Range; weak entity tags do not (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _bounded(chunks: Iterator[bytes], url: str, limit: int) -> bytes:
    data = b""
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise RecipeError(
                f"'{without_login(url)}' is larger than {show_bytes(limit)}.", hint="Check that it is the right file."
            )
    return data


def _start_of_file(path: Path, url: str, limit: int) -> bytes | None:
    try:
        with open_regular(path) as file:
            return _bounded(iter([file.read(limit + 1)]), url, limit)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HostError(f"The file '{path}' cannot be read: {error.strerror}.") from None


def _existing_size(path: Path, url: str) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise RecipeError(f"There is no file '{path}', which the URL '{without_login(url)}' names.") from None


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    with open_regular(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)


def _refuse_endless(size: int, url: str) -> None:
    if size > _MOST:
        raise RecipeError(f"'{without_login(url)}' is larger than {show_bytes(_MOST)}: no installation medium is.")


def _unreachable(url: str, error: Exception) -> HostError:
    return HostError(
        f"'{without_login(url)}' cannot be downloaded.",
        hint="Check the network and its proxy settings (https_proxy), or download the file yourself and use its path. "
        "What came so far is kept and resumed.",
        details=(without_bare_logins(str(error)),),
    )


@contextmanager
def _room(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        name = os.fspath(part)
        raise HostError(
            f"The download cannot be written to '{name}': {error.strerror or error}.", hint="Make room there."
        ) from None
