"""How each network tool is told of a machine's NICs: pure functions from NICs to files.

NICs are found by MAC address, whatever the guest calls them. The guest removes the template's own profiles first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imgpipe.deploy.wanted import WantedNic
from imgpipe.identity.network import ifcfg, ifupdown, keyfile, netplan
from imgpipe.identity.network.files import NetworkFile

RENDERERS: Mapping[str, Callable[[Sequence[WantedNic]], tuple[NetworkFile, ...]]] = {
    "keyfile": keyfile.files,
    "ifcfg": ifcfg.files,
    "ifupdown": ifupdown.files,
    "netplan": netplan.files,
}
"""By `Personalise.network`; 'none' has no renderer."""
