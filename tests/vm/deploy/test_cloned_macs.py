"""A machine whose NICs are told by their MAC addresses, and its clone: booted, each has its addresses on its own NICs.

NetworkManager has two of the NICs and systemd-networkd two; none may take another's profile, and nothing but logs may
remember the source's addresses.
"""

import re
from pathlib import Path

import pytest

from command import Command
from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.machines import Machines
from imgpipe.emulated_boot import DROP_IN
from imgpipe.offline_edits import Remove, Symlink, WriteFile
from private_libvirt import lacking, private_libvirt
from tailored_guest import tailored, telling, told_by

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(lacking()), reason=lacking())]

NICS = {
    "outside": ("52:54:00:aa:00:01", "192.168.101.10/24"),
    "inside": ("52:54:00:aa:00:02", "192.168.102.10/24"),
    "front": ("52:54:00:aa:00:03", "192.168.103.10/24"),
    "back": ("52:54:00:aa:00:04", "192.168.104.10/24"),
}
MAC = {name: mac for name, (mac, _address) in NICS.items()}
BARE = {name: mac.replace(":", "") for name, mac in MAC.items()}
_NM, _NETWORKD = "/etc/NetworkManager", "/etc/systemd/network"
KEYFILE = (
    "[connection]\nid={name}\ntype=ethernet\n{nic}\n[ethernet]\n{tie}\n[ipv4]\nmethod=manual\naddress1={address}\n"
)
# 'inside' is found by its name, which is made of its address, and 'back' is given its name by it.
PROFILES = {
    f"{_NM}/system-connections/outside.nmconnection": KEYFILE.format(
        name="outside", nic="", tie=f"mac-address={MAC['outside'].upper()}", address=NICS["outside"][1]
    ),
    f"{_NM}/system-connections/enx{BARE['inside']}.nmconnection": KEYFILE.format(
        name="inside", nic=f"interface-name=enx{BARE['inside']}", tie="", address=NICS["inside"][1]
    ),
    f"{_NM}/conf.d/others.conf": f"[keyfile]\nunmanaged-devices=mac:{MAC['front']};mac:{MAC['back']}\n",
    f"{_NETWORKD}/10-inside.link": f"[Match]\nMACAddress={MAC['inside']}\n[Link]\nNamePolicy=mac\n",
    f"{_NETWORKD}/10-{BARE['back']}.link": f"[Match]\nMACAddress={MAC['back'].replace(':', '-')}\n[Link]\nName=back0\n",
    f"{_NETWORKD}/20-front.network": f"[Match]\nMACAddress={MAC['front']}\n[Network]\nAddress={NICS['front'][1]}\n",
    "/opt/profiles/back.network": f"[Match]\nMACAddress={MAC['back']}\n[Network]\nAddress={NICS['back'][1]}\n",
}
# In the script, no address is one: the guest must not find itself.
NEEDLES = "|".join("[" + mac[0] + "]" + mac[1:].replace(":", "[:.-]?") for mac in MAC.values())
SCRIPT = rf"""
tries=0
until [ "$(ip -o -4 address show scope global | wc -l)" -ge 4 ] || [ $tries -ge 120 ]; do
  tries=$((tries + 1))
  sleep 1
done
for nic in /sys/class/net/e* /sys/class/net/back*; do
  name=${{nic##*/}}
  [ -e $nic ] || continue
  set -- $(ip -o -4 address show dev $name)
  echo NIC $(cat $nic/address) $name $4
done
places="/etc /opt /var/lib /usr/lib/systemd /usr/lib/udev /usr/lib/NetworkManager /boot/grub"
grep -r -l -i -E "{NEEDLES}" $places | sed 's/^/HOLDS /'
find $places | grep -i -E "{NEEDLES}" | sed 's/^/NAMED /'
echo "WAITS $(systemctl show --property DefaultTimeoutStartUSec --property DefaultDeviceTimeoutUSec | tr '\n' ' ')"
echo "DISK $(systemctl show --property JobRunningTimeoutUSec dev-vda4.device)"
echo "DROP-IN $(ls {DROP_IN})"
"""
EDITS = (
    Remove(patterns=(f"{_NM}/system-connections/*",)),
    *(WriteFile(path=path, content=text, mode=0o600 if "nmconn" in path else 0o644) for path, text in PROFILES.items()),
    Symlink(path=f"{_NETWORKD}/20-back.network", target="/opt/profiles/back.network"),
    *telling(SCRIPT, "NetworkManager.service systemd-networkd.service"),
)
SOURCE = """<domain type='qemu'><name>twins</name><memory unit='MiB'>768</memory><vcpu>1</vcpu><cpu mode='maximum'/>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='unsafe'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk>{nics}<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
<serial type='pty'/></devices></domain>"""
NIC = "<interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>"


@pytest.fixture(scope="module")
def told(data, demo, tmp_path_factory):
    """What the source tells of itself, and then its clone, whose NICs and source's are in the same order."""
    image, disk = Path(demo[0].image["path"]), tmp_path_factory.mktemp("source") / "twins.qcow2"
    tailored(image, disk, EDITS)
    clone = ("clone", "twins", "twin-2", "--trust-backing", str(image.parent), "--no-start", "--json")
    with private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}"
        hypervisor = connect(uri, print)
        machines = Machines(hypervisor)
        machines.define(SOURCE.format(disk=disk, nics="".join(NIC.format(mac=mac) for mac in MAC.values())))
        source = told_by(machines, uri, "twins")
        cloned = Command(data, "--connect", uri, *clone).succeed()
        try:
            macs = [nic.mac for nic in machines.find("twin-2").nics]
            yield source, told_by(machines, uri, "twin-2"), dict(zip(NICS, macs, strict=True)), cloned
        finally:
            Command(data, "--connect", uri, "machines", "destroy", "twin-2", "--yes", "--json").succeed()
            machines.remove("twins", keep_nvram=False, keep_tpm=False)
            hypervisor.close()


def nics_in(lines):
    """Return the NICs that a machine told of: MAC address and address of each, and their names."""
    found = [re.fullmatch(r"NIC (\S+) (\S+) ?(.*)", line).groups() for line in lines if line.startswith("NIC ")]
    return {mac: address for mac, _name, address in found}, {mac: name for mac, name, _address in found}


def lines_of(lines, word):
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


def test_the_source_has_each_address_on_the_nic_that_its_profile_names(told):
    addresses, names = nics_in(told[0])
    assert addresses == dict(NICS.values())
    assert names[MAC["inside"]] == f"enx{BARE['inside']}"
    assert names[MAC["back"]] == "back0"


def test_the_clone_has_the_same_addresses_on_its_own_nics(told):
    _source, clone, macs, _cloned = told
    addresses, names = nics_in(clone)
    assert addresses == {macs[name]: address for name, (_mac, address) in NICS.items()}
    assert not set(macs.values()) & set(MAC.values())
    assert names[macs["inside"]] == f"enx{macs['inside'].replace(':', '')}"
    assert names[macs["back"]] == "back0"


def test_nothing_in_the_clone_remembers_the_sources_mac_addresses(told):
    source, clone, _macs, _cloned = told
    assert set(lines_of(source, "HOLDS")) >= set(PROFILES)
    assert len(lines_of(source, "NAMED")) == 2
    assert (lines_of(clone, "HOLDS"), lines_of(clone, "NAMED")) == ([], [])


def test_that_an_initramfs_may_remember_them_is_told(told):
    (note,) = [one["text"] for one in told[3].named("note") if "initramfs" in one["text"]]
    assert "twin-2: " in note
    assert f"'{_NETWORKD}'" in note


def test_the_clones_systemd_took_the_longer_waits_of_an_emulated_machine(told):
    source, clone, _macs, _cloned = told
    assert lines_of(source, "DROP-IN") == []
    assert "DefaultTimeoutStartUSec=1min 30s" in lines_of(source, "WAITS")[0]
    assert lines_of(source, "DISK") == ["JobRunningTimeoutUSec=1min 30s"]
    assert lines_of(clone, "DROP-IN") == [DROP_IN]
    assert "DefaultTimeoutStartUSec=10min" in lines_of(clone, "WAITS")[0]
    assert lines_of(clone, "DISK") == ["JobRunningTimeoutUSec=10min"]
