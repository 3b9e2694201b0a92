"""What `ip -json -details address show` tells of devices (iproute2 6)."""

import json

import pytest

from imgpipe.adapters import links, process
from imgpipe.errors import HostError

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


def test_nobody_answers_on_a_device_that_was_rolled_back_meanwhile(monkeypatch):
    def gone(*_argv, **_options):
        raise HostError("The program 'ip' failed with exit code 1.", details=('Cannot find device "no-bridge0"',))

    monkeypatch.setattr(links.process, "run", gone)
    assert not links.answers("127.0.0.2", "no-bridge0")
    # A device that is there is asked about in vain: that is a fault of the host's.
    with pytest.raises(HostError, match="'ip' failed"):
        links.answers("127.0.0.2", "lo")
