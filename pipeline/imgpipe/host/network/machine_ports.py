"""Machines that run while the host's network changes: their tap devices stay in their bridges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from imgpipe.host.network.facts import HostFacts

Look = Callable[[], HostFacts]
Plug = Callable[[str, str], None]
"""Puts a device (first) into a bridge (second)."""

HANDS_OFF = """\
# Written by imgpipe while a change of the network waits for its confirmation. Undoing it deletes every profile that is
# new since then; without this, also the one that NetworkManager makes for a machine that was started meanwhile, which
# would unplug the machine.
[device-imgpipe-machines]
match-device=interface-name:vnet*
managed=0
"""
"""NetworkManager's configuration (NetworkManager.conf(5)) for the tap devices that libvirt makes."""


@contextmanager
def kept_plugged(look: Look, plug: Plug) -> Iterator[None]:
    """Plug in again what a bridge let go of: NetworkManager empties a bridge that it activates anew."""
    before = _plugged(look())
    try:
        yield
    finally:
        facts = look()
        bridges = {link.name for link in facts.links if link.kind == "bridge"}
        free = {link.name for link in facts.links if not link.controller}
        for port, bridge in before.items():
            if port in free and bridge in bridges:
                plug(port, bridge)


def _plugged(facts: HostFacts) -> Mapping[str, str]:
    """Return the bridge of every tap device."""
    bridges = {link.name for link in facts.links if link.kind == "bridge"}
    return {link.name: link.controller for link in facts.links if link.kind == "tun" and link.controller in bridges}
