"""A machine on the bridges that imgpipe made: it gets its addresses, and reaches the gateway."""

import re
from contextlib import closing

import pytest

import private_libvirt
import tiny_guest
from host_namespace import Host, missing, until
from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.records import Recorded
from imgpipe.domain_spec import DirectKernel, DomainNic, DomainSpec, stable_mac
from imgpipe.domain_xml import domain_xml
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

LACKING = missing() or private_libvirt.lacking() or tiny_guest.lacking()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")]

MACS = {"br1": stable_mac("guest", "br1"), "br2": stable_mac("guest", "br2")}
GATEWAY = "10.99.0.1"
INSIDE_PEER = "10.100.1.254"
HOST_INSIDE = "10.100.1.1"
NOBODY = "10.99.0.77"

MODULES = ("virtio_pci", "virtio_net", "af_packet")
INIT = (
    tiny_guest.START
    + r"""say() { echo "$1" > /dev/ttyS0; }
for nic in eth0 eth1; do
    ip link set $nic up
    udhcpc -i $nic -n -q -f -t 20 -T 3 -s /lease
    say "$nic $(cat /sys/class/net/$nic/address) $(ip -4 -o address show dev $nic | sed 's/.*inet \([0-9.]*\).*/\1/')"
done
for address in ADDRESSES; do
    if ping -c 3 -W 5 $address >/dev/null; then say "$address answers"; else say "$address is silent"; fi
done
say "that is all"
poweroff -f
"""
)
# What udhcpc runs when it has an answer.
LEASE = r"""#!/bin/busybox sh
[ "$1" = bound ] || exit 0
ip address add $ip/$mask dev $interface
for one in $router; do ip route add default via $one dev $interface; done
"""


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path / "host")
    yield made
    made.end()


def guest(folder):
    """Define the machine as imgpipe does, from a kernel and an initrd alone."""
    asked = " ".join((GATEWAY, INSIDE_PEER, HOST_INSIDE, NOBODY))
    kernel, initrd = tiny_guest.make(folder, INIT.replace("ADDRESSES", asked), MODULES, {"lease": LEASE})
    return DomainSpec(
        name="guest",
        machine=Machine(cpus=1, memory=256 * MIB, disk=64 * MIB),
        hardware=Hardware(),
        accelerator="tcg",
        nics=tuple(DomainNic(kind="bridge", source=bridge, mac=mac) for bridge, mac in MACS.items()),
        direct=DirectKernel(kernel=kernel, initrd=initrd, arguments=("console=ttyS0", "quiet")),
    )


def test_a_guest_on_both_bridges_gets_its_addresses_and_reaches_the_gateway(host, tmp_path):
    file = tmp_path / "host.toml"
    file.write_text('[outside]\nnic = "eth0"\n[inside]\nnic = "eth1"\naddress = "10.100.1.1/24"\n')
    done = host.imgpipe("host", "network", "apply", str(file), "--yes", "--keep")
    assert done.returncode == 0, done.stderr
    host.serve_dhcp_inside()
    with private_libvirt.private_libvirt(within=host.namespace.in_its_network) as daemon:
        spec = guest(daemon.folder)
        with closing(connect(daemon.uri, print)) as hypervisor:
            console = daemon.folder / "console.log"
            machine = hypervisor.start_transient(domain_xml(spec), recorded=Recorded(console=console))
            try:
                until(lambda: "that is all" in console.read_text(errors="replace"))
            finally:
                machine.destroy()
        told = console.read_text(errors="replace")
    nics = dict(re.findall(r"eth\d (\S+) (\S+)\r?\n", told))
    assert nics == {mac: host.leases()[mac] for mac in MACS.values()}, told
    assert nics[MACS["br1"]].startswith("10.99.0.")
    assert nics[MACS["br2"]].startswith("10.100.1.1")
    answers = dict(re.findall(r"([0-9.]+) (answers|is silent)", told))
    assert answers == {
        GATEWAY: "answers",
        INSIDE_PEER: "answers",
        HOST_INSIDE: "answers",
        NOBODY: "is silent",
    }
