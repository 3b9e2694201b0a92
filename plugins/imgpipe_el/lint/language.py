"""The kickstart language of each installer: pykickstart's, with what an installer's own pykickstart has beyond it."""

from __future__ import annotations

from typing import Any

from imgpipe_el.lint.pykickstart_offline import NetworkSince39, NetworkSince39Data, makeVersion
from imgpipe_el.release import Installer


def language_of(installer: Installer) -> Any:  # noqa: ANN401 (pykickstart has no types)
    """Return a new handler of the language that `installer` speaks.

    Enterprise Linux 8 has pykickstart 3.16 with the options of `network` for DNS that upstream has since Fedora 39.
    """
    handler = makeVersion(installer.handler)
    if installer.dns_options and installer.handler == "RHEL8":
        handler.registerCommand("network", NetworkSince39)
        handler.registerData("NetworkData", NetworkSince39Data)
    return handler
