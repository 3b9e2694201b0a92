"""pykickstart without `requests`, which it imports to load kickstarts from URLs.

That import is a fifth of the time of `imgpipe plan`, and a file that is checked must not make imgpipe open a
connection: in its place stands a module that refuses.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import NoReturn

__all__ = ["KickstartError", "KickstartParser", "NetworkSince39", "NetworkSince39Data", "makeVersion"]


class RequestException(Exception):
    """A request failed (the name is that of `requests`)."""


class SSLError(RequestException):
    """A secure connection failed (the name is that of `requests`)."""


def _get(url: str, **_options: object) -> NoReturn:
    raise RequestException(f"imgpipe loads nothing from '{url}'")


def _refusing() -> dict[str, ModuleType]:
    """Return what pykickstart.load uses of `requests`, by module name."""
    package, exceptions = ModuleType("requests"), ModuleType("requests.exceptions")
    vars(exceptions).update(RequestException=RequestException, SSLError=SSLError)
    vars(package).update(get=_get, exceptions=exceptions)
    return {"requests": package, "requests.exceptions": exceptions}


_before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "requests"}
_refusals = _refusing()
sys.modules.update(_refusals)
try:
    from pykickstart.commands.network import F39_Network as NetworkSince39
    from pykickstart.commands.network import F39_NetworkData as NetworkSince39Data
    from pykickstart.errors import KickstartError
    from pykickstart.parser import KickstartParser
    from pykickstart.version import makeVersion
finally:
    for _name in _refusals:
        del sys.modules[_name]
    sys.modules.update(_before)
