"""The host's bridges that machines are plugged into: there, up, and forwarding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from imgpipe.host.doctor.finding import Finding
from imgpipe.host.network.firewall import BridgeFirewall, warnings

CLASS_NET = Path("/sys/class/net")
ROUTES = Path("/proc/net/route")
BRIDGES = ("br1", "br2")
"""The outside and the inside of the operators' hosts."""

# linux/if_bridge.h, BR_STATE_*.
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")
_ETHERNET = "1"
"""ARPHRD_ETHER of linux/if_arp.h."""
_IFF_UP = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFacts:
    """A bridge as the kernel has it; `kind` is 'missing', 'bridge', or 'other' for an interface that is none.

    `up` is what an administrator set; `ports` gives each port's state.
    """

    name: str
    kind: str
    up: bool = False
    ports: tuple[tuple[str, str], ...] = ()


def gather(name: str, class_net: Path = CLASS_NET) -> BridgeFacts:
    """Look at a bridge in /sys, which shows the network namespace that it was mounted in."""
    folder = class_net / name
    if not folder.exists():
        return BridgeFacts(name=name, kind="missing")
    if not (folder / "bridge").is_dir():
        return BridgeFacts(name=name, kind="other")
    ports = sorted((folder / "brif").iterdir()) if (folder / "brif").is_dir() else []
    return BridgeFacts(
        name=name,
        kind="bridge",
        up=bool(int(_read(folder / "flags") or "0", 16) & _IFF_UP),
        ports=tuple((port.name, _port_state(_read(port / "state"))) for port in ports),
    )


def gather_nics(class_net: Path = CLASS_NET, routes: Path = ROUTES) -> tuple[str, ...]:
    """Return the host's wired NICs: first the one that its default route goes by, also through a bridge."""
    names = sorted(
        folder.name
        for folder in class_net.iterdir()
        if (folder / "device").exists() and not (folder / "wireless").exists() and _read(folder / "type") == _ETHERNET
    )
    out = {line.split()[0] for line in _read(routes).splitlines()[1:] if line.split()[1:2] == ["00000000"]}
    out |= {port.name for bridge in out for port in (class_net / bridge / "brif").glob("*")}
    return tuple(sorted(names, key=lambda name: name not in out))


def judge(facts: BridgeFacts, nics: Sequence[str] = ()) -> Finding:
    """Say whether machines on the bridge reach anything; a host that plugs none into it needs no bridge.

    `nics` are the host's, the one that leads outside first.
    """
    name = f"bridge {facts.name}"
    plan = tuple(_plan(facts.name, nics))
    match facts.kind:
        case "missing":
            words = f"There is no bridge '{facts.name}': machines cannot be plugged into it. Builds need none."
            return Finding(name=name, state="warn", meaning=words, commands=plan)
        case "other":
            words = f"'{facts.name}' is a network interface, and no bridge."
            return Finding(name=name, state="fail", meaning=words, commands=plan)
    if not facts.up:
        return Finding(
            name=name,
            state="fail",
            meaning=f"The bridge '{facts.name}' is down: machines on it reach nobody.",
            commands=(f"ip link set {quote(facts.name)} up",),
        )
    if not facts.ports:
        return Finding(
            name=name,
            state="warn",
            meaning=f"The bridge '{facts.name}' has no port: machines on it reach each other and this host only.",
            commands=plan,
        )
    return _judge_ports(facts, name)


def _judge_ports(facts: BridgeFacts, name: str) -> Finding:
    if stuck := [(port, state) for port, state in facts.ports if state != "forwarding"]:
        listed = ", ".join(f"'{port}' is {state}" for port, state in stuck)
        return Finding(
            name=name,
            state="fail" if len(stuck) == len(facts.ports) else "warn",
            meaning=f"Ports of the bridge '{facts.name}' do not forward: {listed}.",
            commands=tuple(_commands(facts.name, stuck)),
        )
    ports = ", ".join(f"'{port}'" for port, _ in facts.ports)
    return Finding(
        name=name, state="ok", meaning=f"The bridge is up, and {ports} forward{'s' * (len(facts.ports) == 1)}."
    )


def _plan(bridge: str, nics: Sequence[str]) -> Iterator[str]:
    """Yield what plans the bridge on this host's own NICs; nothing where it has too few of them."""
    options = [f"--{side} {quote(nic)}" for side, nic in zip(("outside", "inside"), nics, strict=False)]
    if len(options) > BRIDGES.index(bridge) if bridge in BRIDGES else False:
        yield f"sudo imgpipe host network plan {' '.join(options)}"


def judge_firewall(facts: BridgeFirewall) -> Iterator[Finding]:
    """Yield what of the host's firewall keeps machines on a bridge from the outside; nothing where nothing does."""
    for warned in warnings(facts):
        unknown = facts.passes is None and not facts.drops
        yield Finding(
            name=f"firewall {facts.bridge}",
            state="unknown" if unknown else "warn",
            meaning=warned.text,
            commands=warned.commands,
        )


def _commands(bridge: str, stuck: list[tuple[str, str]]) -> Iterator[str]:
    for port, state in stuck:
        if state == "disabled":
            yield f"ip link set {port} up"
    if any(state != "disabled" for _, state in stuck):
        # A port learns for the forward delay after it came up; a blocked one was shut by STP.
        yield f"bridge link show master {bridge}"


def _port_state(text: str) -> str:
    number = int(text) if text.isdigit() else 0
    return _PORT_STATES[number] if number < len(_PORT_STATES) else "disabled"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
