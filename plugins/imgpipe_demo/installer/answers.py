"""The kickstart: found by the initrd, read with pykickstart as Anaconda reads it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from pykickstart.errors import KickstartError as ParserError
from pykickstart.parser import KickstartParser, preprocessKickstart
from pykickstart.version import makeVersion

from .errors import KickstartError

KICKSTART = Path("/run/install/ks.cfg")
_DEFAULT_HANDLER = "RHEL9"

# pykickstart has no types; its handler is a bag of commands, read only in `wishes` and the acting modules.
Kickstart = Any


def handler_name(text: str, asked: str = "") -> str:
    """Return the syntax version to read with: as asked, else as the file's first line says, else EL 9's."""
    found = re.match(r"#\s*version=(\S+)", text)
    return asked or (found[1] if found else _DEFAULT_HANDLER)


def read_scripts(path: Path, version: str) -> Kickstart:
    """Read only what is needed to run %pre, which may still write files that the kickstart includes."""
    handler = makeVersion(version)
    parser = KickstartParser(handler, missingIncludeIsFatal=False, errorsAreFatal=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _read(parser, path)
    return handler


def read_kickstart(path: Path, version: str) -> Kickstart:
    """Read the whole kickstart.

    Raises KickstartError with Anaconda's text if it has a fault.
    """
    handler = makeVersion(version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _read(KickstartParser(handler), path)
    return handler


def _read(parser: Any, path: Path) -> None:
    try:
        prepared = preprocessKickstart(str(path))
        if prepared is None:
            raise KickstartError(f"Kickstart file {path} is missing.")
        parser.readKickstart(prepared)
    except (ParserError, OSError) as error:
        raise KickstartError(f"An error occurred during reading the kickstart file:\n{error}") from None
