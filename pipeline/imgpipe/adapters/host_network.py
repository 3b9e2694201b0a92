"""All that is to be known of this host's network, from the kernel, NetworkManager and its keyfiles."""

from __future__ import annotations

from imgpipe.adapters import links
from imgpipe.adapters.network_manager import NetworkManager
from imgpipe.host.network.facts import HostFacts
from imgpipe.host.network.records import Places


def look(manager: NetworkManager | None, places: Places) -> HostFacts:
    """Return the network as it is now; without NetworkManager, what the kernel says."""
    return HostFacts(
        links=links.links(),
        routes=links.default_routes(),
        devices=manager.devices() if manager else (),
        stored=manager.stored() if manager else (),
        keyfiles=tuple((path.name, path.read_text(errors="replace")) for path in places.keyfiles()) if manager else (),
    )
