"""From a host's bare NICs to running machines, as the runbook has it.

imgpipe makes the bridges br1 and br2 on a host with NetworkManager; on them come up clones of what the long builds made
and of a disk that is no image: named, addressed, grown.
"""

import subprocess
from pathlib import Path

import pytest

import long_builds
from command import Command
from host_namespace import Host, missing
from imgpipe.sizes import GIB
from private_libvirt import lacking, private_libvirt

LACKING = lacking() or missing()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")]

# Outside is what DHCP says, 10.99.0.0/24 with the gateway 10.99.0.1.
BRIDGES = '[outside]\nnic = "eth0"\n[inside]\nnic = "eth1"\naddress = "10.100.1.1/24"\n'

# Debian takes its addresses by ifupdown, the others by NetworkManager; 'old' gets all of it into its disk.
FLEET = """
name = "mixed"
[defaults]
cpus = 1
memory = "1 GiB"
domain = "example.org"
[defaults.root]
key_files = ["key.pub"]
[groups.deb]
template = "debian13-2c2g6g"
disk = "11 GiB"
names = ["deb"]
[[groups.deb.nics]]
bridge = "br1"
addresses = "10.99.0.20/24"
gateway = "10.99.0.1"
[groups.lvm]
template = "static-lvm"
memory = "2 GiB"
disk = "11 GiB"
names = ["lvm"]
[[groups.lvm.nics]]
bridge = "br1"
addresses = "10.99.0.21/24"
[[groups.lvm.nics]]
bridge = "br2"
addresses = "10.100.1.21/24"
[groups.old]
template = "{disk}"
disk = "6 GiB"
names = ["old"]
[[groups.old.nics]]
bridge = "br1"
addresses = "10.99.0.22/24"
"""
ADDRESSES = {"deb": {"10.99.0.20"}, "lvm": {"10.99.0.21", "10.100.1.21"}, "old": {"10.99.0.22"}}
TEMPLATE_DISK = {"deb": 6 * GIB, "lvm": 8 * GIB, "old": 4 * GIB}


@pytest.fixture(scope="module")
def bridges(tmp_path_factory):
    """What runs a command where imgpipe made the bridges."""
    folder = tmp_path_factory.mktemp("bridges")
    (folder / "host.toml").write_text(BRIDGES)
    host = Host(folder / "host")
    done = host.imgpipe("host", "network", "apply", str(folder / "host.toml"), "--yes", "--keep")
    assert done.returncode == 0, done.stderr
    yield host.namespace.in_its_network
    host.end()


@pytest.fixture(scope="module")
def fleet(demo, bridges, tmp_path_factory):
    """The three machines, up, and how to run imgpipe and programs where their bridges are."""
    long_builds.succeeded("debian")
    long_builds.succeeded("static-lvm")
    path = tmp_path_factory.mktemp("fleet") / "mixed.toml"
    path.write_text(FLEET.format(disk=demo[0].image["path"]))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path.with_name("key")], check=True)
    with private_libvirt(within=bridges) as daemon:
        connection = ("--connect", f"qemu:///system?socket={daemon.socket}")

        def imgpipe(*arguments: str) -> Command:
            return Command(long_builds.LONG, *connection, *arguments, within=bridges).succeed()

        (told,) = imgpipe("deploy", str(path), "--wait", "--wait-seconds", "3000", "--yes", "--json").named("deployed")
        yield Fleet(path.with_name("key"), {one["name"]: one for one in told["machines"]}, bridges)
        imgpipe("machines", "destroy", "--fleet", "mixed", "--yes", "--json")
        assert daemon.machines() == []


class Fleet:
    """What was deployed, and how root gets in."""

    def __init__(self, key: Path, machines: dict[str, dict], within: tuple[str, ...]) -> None:
        self._key = key
        self.machines = machines
        self._within = within

    def run(self, name: str, command: str) -> str:
        (address, *_) = sorted(ADDRESSES[name])
        done = subprocess.run(
            [
                *self._within, "ssh", "-q", "-i", str(self._key), "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=120", f"root@{address}", command,
            ],
            capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        return done.stdout.strip()


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_clone_is_up_as_asked(fleet, name):
    machine = fleet.machines[name]
    assert machine["state"] == "running"
    assert machine["hostname"] == f"{name}.example.org"
    assert set(machine["addresses"]) == ADDRESSES[name]
    assert fleet.run(name, "hostname") == f"{name}.example.org"


@pytest.mark.parametrize("name", ADDRESSES)
def test_its_file_system_grew_with_its_disk(fleet, name):
    assert int(fleet.run(name, "stat -f -c '%b * %S' / | { read -r sum; echo $((sum)); }")) > TEMPLATE_DISK[name]


def test_the_way_out_is_the_gateway_and_it_answers(fleet):
    assert "via 10.99.0.1 " in fleet.run("deb", "ip route show default")
    assert ", 0% packet loss" in fleet.run("deb", "ping -c 2 -W 20 10.99.0.1")


def test_a_clone_starts_by_the_firmware_of_its_template(fleet):
    assert fleet.run("lvm", "ls -d /sys/firmware/efi") == "/sys/firmware/efi"
