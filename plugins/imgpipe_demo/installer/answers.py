"""The kickstart: found by the initrd, read with pykickstart as Anaconda reads it."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, ClassVar

from pykickstart.base import BaseHandler
from pykickstart.errors import KickstartError as ParserError
from pykickstart.parser import KickstartParser, preprocessKickstart
from pykickstart.version import RHEL9, makeVersion

from .errors import KickstartError

KICKSTART = Path("/run/install/ks.cfg")
_DEFAULT_HANDLER = "RHEL9"

# pykickstart has no types; its handler is a bag of commands, read only in `wishes` and the acting modules.
Kickstart = Any


def handler_name(text: str, asked: str = "") -> str:
    """Return the syntax version to read with: as asked, else as the file's first line says, else EL 9's."""
    found = re.match(r"#\s*version=(\S+)", text)
    return asked or (found[1] if found else _DEFAULT_HANDLER)


class _NoCommands(BaseHandler):  # type: ignore[misc]  # pykickstart has no types
    """A handler that knows no command, and so is made at once."""

    version = RHEL9
    commandMap: ClassVar[dict[str, object]] = {}
    dataMap: ClassVar[dict[str, object]] = {}


class _ScriptsOnly(KickstartParser):  # type: ignore[misc]  # pykickstart has no types
    """Reads the sections and passes over every command."""

    def handleCommand(self, lineno: int, args: list[str]) -> None:
        """Do nothing: the commands are read later, when what they include is there."""


def read_scripts(path: Path) -> Kickstart:
    """Read only what is needed to run %pre, which may still write files that the kickstart includes."""
    handler = _NoCommands()
    _read(_ScriptsOnly(handler, missingIncludeIsFatal=False), path)
    return handler


def read_kickstart(path: Path, version: str) -> Kickstart:
    """Read the whole kickstart.

    Raises KickstartError with Anaconda's text if it has a fault.
    """
    handler = makeVersion(version)
    _read(KickstartParser(handler), path)
    return handler


def _read(parser: KickstartParser, path: Path) -> None:
    try:
        prepared = preprocessKickstart(str(path))
        if prepared is None:
            raise KickstartError(f"Kickstart file {path} is missing.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser.readKickstart(prepared)
    except (ParserError, OSError) as error:
        raise KickstartError(f"An error occurred during reading the kickstart file:\n{error}") from None
