"""What `ip -json -details address show` tells of devices (iproute2 6)."""

import json

from imgpipe.adapters import links, process

SHOWN = [
    {
        "ifindex": 2, "ifname": "eth0", "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"], "mtu": 9000,
        "qdisc": "fq_codel", "operstate": "UP", "group": "default", "txqlen": 1000, "link_type": "ether",
        "address": "52:54:00:00:00:01", "broadcast": "ff:ff:ff:ff:ff:ff", "promiscuity": 0,
        "addr_info": [
            {"family": "inet", "local": "10.0.0.5", "prefixlen": 24, "scope": "global", "label": "eth0"},
            {"family": "inet6", "local": "2001:db8::5", "prefixlen": 64, "scope": "global"},
            {"family": "inet6", "local": "2001:db8::aaaa", "prefixlen": 64, "scope": "global", "temporary": True},
            {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    },
]  # fmt: skip


def test_addresses_of_both_families_and_the_mtu_are_read(monkeypatch):
    monkeypatch.setattr(process, "run", lambda *_, **__: json.dumps(SHOWN))
    (link,) = links.links()
    assert (link.addresses, link.addresses6, link.mtu) == (("10.0.0.5/24",), ("2001:db8::5/64",), 9000)
