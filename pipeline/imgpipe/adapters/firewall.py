"""The host's firewall, as far as it concerns bridges: firewalld's zones, iptables' FORWARD, and the kernel's switch."""

from __future__ import annotations

import re
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.network.firewall import BridgeFirewall

GLOBAL = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
CLASS_NET = Path("/sys/class/net")
_LONGEST = 256 * 1024
_SECONDS = 20
_ZONE = re.compile(r"[A-Za-z0-9_/-]{1,64}")
_DOCKERS = "DOCKER-USER"


def look(bridge: str, zone: str = "", switch: Path = GLOBAL, class_net: Path = CLASS_NET) -> BridgeFirewall:
    """Return what the firewall does to packets that a bridge passes; `zone` is the one that its profile will name.

    The bridge need not be there yet. Where the kernel does not ask the firewall, nothing else is looked at.
    """
    own = not _is_on(switch)
    if own and not _is_on(class_net / bridge / "bridge" / "nf_call_iptables"):
        return BridgeFirewall(bridge=bridge)
    drops, chain = _iptables(bridge)
    if _firewalld("--state") != "running":
        return BridgeFirewall(bridge=bridge, filtered=True, own_switch=own, drops=drops, chain=chain)
    named = zone or _zone(f"--get-zone-of-interface={bridge}") or _zone("--get-default-zone")
    passes, knows = _passes(named) if named else (None, True)
    return BridgeFirewall(
        bridge=bridge,
        filtered=True,
        own_switch=own,
        zone=named or "?",
        passes=passes,
        knows_forward=knows,
        drops=drops,
        chain=chain,
    )


def _passes(zone: str) -> tuple[bool | None, bool]:
    """Say whether packets within a zone pass, None where that is not told, and whether firewalld has a word for it."""
    answer = _firewalld(f"--zone={zone}", "--query-forward")
    if answer == "yes":
        return True, True
    # The target is told of the permanent configuration alone.
    accepts = _firewalld("--permanent", f"--zone={zone}", "--get-target") == "ACCEPT"
    if accepts or answer == "no":
        return accepts, True
    return (False, False) if "unrecognized arguments" in answer else (None, True)


def _zone(*words: str) -> str:
    """Return the zone that firewalld names; empty for 'no zone', and for a refusal."""
    answer = _firewalld(*words)
    return answer if _ZONE.fullmatch(answer) else ""


def _firewalld(*words: str) -> str:
    """Return what firewall-cmd answers; empty where it is not installed. A 'no' has an exit code of its own."""
    try:
        return process.told_by("firewall-cmd", *words, limit=_LONGEST, timeout_s=_SECONDS).strip()
    except HostError:
        return ""


def _iptables(bridge: str) -> tuple[bool, str]:
    """Say whether FORWARD drops what no rule of a bridge accepts, and the chain that such a rule belongs into."""
    try:
        lines = process.told_by("iptables", "-S", limit=_LONGEST, timeout_s=_SECONDS).splitlines()
    except HostError:
        return False, "FORWARD"
    chain = _DOCKERS if f"-N {_DOCKERS}" in lines else "FORWARD"
    rule = f"-i {bridge} -o {bridge} -j ACCEPT"
    accepted = any(f"-A {name} {rule}" in lines for name in ("FORWARD", _DOCKERS))
    return "-P FORWARD DROP" in lines and not accepted, chain


def _is_on(path: Path) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == "1"
    except (OSError, UnicodeDecodeError):
        return False
