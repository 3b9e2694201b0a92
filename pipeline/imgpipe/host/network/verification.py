"""Whether a host's network is what was wanted: the runbook's check, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface

from imgpipe.host.network.facts import HostFacts
from imgpipe.host.network.wanted import HostNetwork, Segment

Answers = Callable[[str, str], bool]
"""Whether the gateway (first) answers on the device (second)."""

_WRONG_STATE = "'disabled', 'blocking' or changing means: no link, or brought up before its bridge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `device` is what it is about."""

    device: str
    ok: bool
    text: str


def findings(network: HostNetwork, facts: HostFacts, answers: Answers) -> tuple[Finding, ...]:
    """Look at everything: addresses have moved, ports forward, the default route and its gateway work.

    The gateway is asked only if all else is well, because that takes a while.
    """
    found = [item for segment in network.segments for item in _segment(segment, network, facts)]
    if network.goes_by_router:
        found += _router(network, facts, answers if all(item.ok for item in found) else None)
    return tuple(found)


def _segment(segment: Segment, network: HostNetwork, facts: HostFacts) -> Iterator[Finding]:
    bridge = facts.link(segment.bridge)
    if bridge is None or bridge.kind != "bridge":
        yield Finding(device=segment.bridge, ok=False, text="there is no such bridge")
        return
    if not bridge.is_up:
        yield Finding(device=segment.bridge, ok=False, text="the bridge is down")
    yield _address(segment, bridge.addresses)
    for name in dict.fromkeys((segment.port, *network.nics_below(segment))):
        link = facts.link(name)
        if link is None:
            yield Finding(device=name, ok=False, text="there is no such device")
        elif link.addresses:
            held = ", ".join(link.addresses)
            yield Finding(device=name, ok=False, text=f"still holds {held}, which belongs on {segment.bridge}")
        else:
            yield Finding(device=name, ok=True, text="holds no address")
    yield _port(segment, facts)


def _address(segment: Segment, held: tuple[str, ...]) -> Finding:
    bridge = segment.bridge
    if segment.address is None:
        text = f"holds {', '.join(held)}" if held else "holds no address: no DHCP server has answered"
        return Finding(device=bridge, ok=bool(held), text=text)
    if segment.address in {IPv4Interface(address) for address in held}:
        return Finding(device=bridge, ok=True, text=f"holds {segment.address}")
    text = f"holds {', '.join(held) or 'no address'} instead of {segment.address}"
    return Finding(device=bridge, ok=False, text=text)


def _port(segment: Segment, facts: HostFacts) -> Finding:
    link = facts.link(segment.port)
    if link is None or link.controller != segment.bridge:
        where = f"of {link.controller}" if link and link.controller else "of nothing"
        return Finding(device=segment.port, ok=False, text=f"is a port {where} instead of {segment.bridge}")
    if link.port_state != "forwarding":
        text = f"is a port of {segment.bridge} in state '{link.port_state}': {_WRONG_STATE}"
        return Finding(device=segment.port, ok=False, text=text)
    return Finding(device=segment.port, ok=True, text=f"forwards, as a port of {segment.bridge}")


def _router(network: HostNetwork, facts: HostFacts, answers: Answers | None) -> Iterator[Finding]:
    bridge = network.outside.bridge
    route = next((route for route in facts.routes if route.device == bridge), None)
    if route is None:
        others = ", ".join(route.device for route in facts.routes)
        text = f"the default route goes over {others} instead" if others else "there is no default route"
        yield Finding(device=bridge, ok=False, text=text)
        return
    yield Finding(device=bridge, ok=True, text=f"the default route goes over it to {route.gateway}")
    if answers is not None:
        ok = answers(route.gateway, bridge)
        text = f"the gateway {route.gateway} {'answers' if ok else 'does not answer'}"
        yield Finding(device=bridge, ok=ok, text=text)
