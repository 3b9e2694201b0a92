"""What the host's firewall does to packets that a bridge passes from port to port: pure.

The kernel asks the firewall for routed packets alone, unless the module br_netfilter is loaded and
net.bridge.bridge-nf-call-iptables is 1 (which it is from then on), or the bridge's own nf_call_iptables is: then it
pretends that bridged packets are routed (kernel: Documentation/networking/bridge.rst, 'Netfilter'). Docker and
Kubernetes switch it on. The FORWARD rules see the bridge as the device that a packet came in by and that it leaves by.

firewalld ends FORWARD with a reject (src/firewall/core/nftables.py, 'filter_FORWARD'). What passes before that: zones
whose target is ACCEPT, and zones with intra-zone forwarding (firewalld.zone(5), '<forward/>'), whose rule accepts what
leaves by an interface of the same zone ('build_zone_forward_rules'). It exists since firewalld 0.9.0, and is on in the
zones that come with 1.0.0 and later (commit 46d91419); a zone that somebody wrote before has it off.
NetworkManager puts a bridge whose profile names no zone into the default zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

SWITCH = "net.bridge.bridge-nf-call-iptables"


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeFirewall:
    """A bridge's part in the firewall.

    `filtered` says that packets from port to port are shown to the FORWARD rules, `own_switch` that the bridge's own
    switch alone is on. `zone` is firewalld's, empty where it
    does not run. `passes` says that the zone lets them through, None where firewalld did not say. `knows_forward` is
    False for a firewalld older than 0.9.0. `drops` says that iptables' FORWARD has the policy DROP and no rule for this
    bridge, and `chain` is where one belongs.
    """

    bridge: str
    filtered: bool = False
    own_switch: bool = False
    zone: str = ""
    passes: bool | None = True
    knows_forward: bool = True
    drops: bool = False
    chain: str = "FORWARD"


@dataclass(frozen=True, slots=True)
class Warned:
    """What machines on a bridge will miss, and the commands that mend it."""

    text: str
    commands: tuple[str, ...]


def warnings(facts: BridgeFirewall) -> Iterator[Warned]:
    """Yield what of the firewall keeps packets of machines from passing a bridge; nothing where it is not asked."""
    if not facts.filtered:
        return
    why = "because its 'nf_call_iptables' is on" if facts.own_switch else f"because '{SWITCH}' is on, as Docker sets it"
    bridge = quote(facts.bridge)
    if facts.zone and facts.passes is None:
        yield Warned(
            f"Packets from port to port of '{facts.bridge}' are shown to firewalld, {why}; whether its zone "
            f"'{facts.zone}' lets them pass, it did not say.",
            (f"sudo firewall-cmd --zone={quote(facts.zone)} --query-forward",),
        )
    elif facts.zone and not facts.passes:
        yield Warned(
            f"firewalld rejects packets that the bridge '{facts.bridge}' passes from port to port, so machines on it "
            f"reach nobody outside of this host: they are shown to it {why}, and its zone '{facts.zone}' neither "
            "forwards within itself nor accepts all.",
            tuple(_opens(facts)),
        )
    if facts.drops:
        yield Warned(
            f"iptables drops packets that the bridge '{facts.bridge}' passes from port to port: they are shown to its "
            f"FORWARD rules {why}, whose policy is DROP, which Docker sets, and no rule accepts them.",
            (f"iptables -I {facts.chain} -i {bridge} -o {bridge} -j ACCEPT",),
        )


def _opens(facts: BridgeFirewall) -> Iterator[str]:
    """Yield what lets packets pass from port to port and nothing more into the host."""
    if facts.knows_forward:
        yield f"firewall-cmd --permanent --zone={quote(facts.zone)} --add-forward"
        yield "firewall-cmd --reload"
        return
    # Such a firewalld has no word for it. What set the switch may need it, which its owner knows.
    own = f"ip link set {quote(facts.bridge)} type bridge nf_call_iptables 0"
    yield own if facts.own_switch else f"sysctl -w {SWITCH}=0"
