"""The host's own addresses, as ip(8) tells of them."""

import json
from ipaddress import IPv4Address

from imgpipe.adapters import host_facts, process

TOLD = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8, "scope": "host"}]},
    {
        "ifname": "br2",
        "addr_info": [
            {"family": "inet", "local": "10.100.1.1", "prefixlen": 24, "scope": "global"},
            {"family": "inet", "local": "10.100.1.250", "prefixlen": 24, "scope": "global", "secondary": True},
            {"family": "inet6", "local": "fd00::1", "prefixlen": 64, "scope": "global"},
        ],
    },
    {"ifname": "eth2", "addr_info": [{"family": "inet", "local": "192.0.2.7", "prefixlen": 32, "scope": "global"}]},
]


def test_every_address_of_the_host_is_known_with_its_device(monkeypatch):
    monkeypatch.setattr(process, "is_installed", lambda _: True)
    monkeypatch.setattr(process, "run", lambda *_, **__: json.dumps(TOLD))
    assert host_facts.addresses_here() == {
        IPv4Address("10.100.1.1"): "br2",
        IPv4Address("10.100.1.250"): "br2",
        IPv4Address("192.0.2.7"): "eth2",
    }


def test_without_ip_they_are_not_known(monkeypatch):
    monkeypatch.setattr(process, "is_installed", lambda _: False)
    assert host_facts.addresses_here() is None
