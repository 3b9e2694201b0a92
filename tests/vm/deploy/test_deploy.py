"""The demo deployed: machines that prove who they are, with a deploy that is killed on the way; nothing is left."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from command import Command, wait_until_gone
from private_libvirt import TWO_BRIDGES, lacking, private_libvirt

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(lacking()), reason=lacking())]

COUNT = 3
NAMES = [f"web-{number:02}" for number in range(1, COUNT + 1)]
PATIENCE = ("--wait", "--wait-seconds", "3000", "--yes", "--json")
FLEET = """
name = "shop"
[groups.app]
template = "demo"
count = 2
cpus = 1
memory = "1 GiB"
domain = "example.org"
[groups.app.root]
keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz ops@example"]
[[groups.app.nics]]
bridge = "br1"
addresses = "10.100.1.10-10.100.1.59/24"
gateway = "10.100.1.1"
dns = ["10.100.1.1"]
[[groups.app.nics]]
bridge = "br2"
addresses = "10.200.1.10-10.200.1.59/24"
"""
GREETING = """
import socket, sys
with socket.create_connection((sys.argv[1], 22), 60) as connection:
    print(connection.recv(64).decode())
"""


def deployed(command: Command) -> dict[str, dict]:
    (told,) = command.named("deployed")
    return {machine["name"]: machine for machine in told["machines"]}


def told(command: Command) -> list[dict]:
    """Return what a command that prints one JSON document printed."""
    return json.loads("".join(command.lines))


def assert_no_two_are_alike(machines: dict[str, dict]) -> None:
    ids = [machine["machine_id"] for machine in machines.values()]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    keys = [key for machine in machines.values() for key in machine["host_keys"]]
    assert len(keys) >= len(machines)
    assert len(set(keys)) == len(keys)
    macs = [nic["mac"] for machine in machines.values() for nic in machine["nics"]]
    assert len(set(macs)) == len(macs)


@pytest.fixture(scope="module")
def at_a_daemon(data):
    """What starts imgpipe at a daemon of the test's own: the host's may have machines and pools of these names."""
    with private_libvirt() as daemon:
        yield partial(Command, data, "--connect", f"qemu:///system?socket={daemon.socket}")


@pytest.fixture(scope="module")
def web(at_a_daemon, demo):
    """Machines on user networking; the first run is killed as soon as one of them is made."""
    arguments = ("deploy", "demo", "--name", "web", "--count", str(COUNT), *PATIENCE)
    killed = at_a_daemon(*arguments)
    killed.until("progress", phase="machines are made")
    killed.kill()
    yield killed, at_a_daemon(*arguments)
    # There are none any more, where the tests went well.
    at_a_daemon("machines", "destroy", "--fleet", "web", "--yes", "--json").wait()


def test_a_deploy_that_was_killed_is_finished_by_the_next_and_all_are_as_asked(web):
    killed, again = web
    assert killed.named("deployed") == []
    machines = deployed(again.succeed())
    assert sorted(machines) == NAMES
    assert {machine["hostname"] for machine in machines.values()} == set(NAMES)
    assert {machine["state"] for machine in machines.values()} == {"running"}
    assert_no_two_are_alike(machines)


def test_what_is_as_asked_is_left_alone(at_a_daemon, web):
    before = deployed(web[1])
    again = at_a_daemon("deploy", "demo", "--name", "web", "--count", str(COUNT), *PATIENCE).succeed()
    assert deployed(again) == before | {
        name: machine | {"used": deployed(again)[name]["used"]} for name, machine in before.items()
    }
    assert again.named("progress") == []


def test_their_template_cannot_be_removed(at_a_daemon, web):
    refused = at_a_daemon("images", "rm", deployed(web[1])["web-01"]["template"], "--yes")
    assert refused.wait() != 0
    assert "web-01" in refused.stderr


def test_destroy_leaves_nothing(data, at_a_daemon, web):
    disks = [Path(machine["disk"]) for machine in deployed(web[1]).values()]
    assert all(disk.is_file() for disk in disks)
    at_a_daemon("machines", "destroy", "--fleet", "web", "--yes", "--json").succeed()
    assert list(disks[0].parent.iterdir()) == []
    assert told(at_a_daemon("machines", "list", "--json").succeed()) == []
    again = at_a_daemon("machines", "destroy", "--fleet", "web", "--yes", "--json")
    assert again.wait() == 2
    assert "No machine here is of a fleet 'web'" in again.stderr
    wait_until_gone(data)


@pytest.fixture(scope="module")
def bridged():
    with private_libvirt(network=TWO_BRIDGES) as daemon:
        yield daemon


def test_static_addresses_on_two_bridges_answer(data, demo, bridged, tmp_path):
    fleet = tmp_path / "shop.toml"
    fleet.write_text(FLEET)

    def imgpipe(*arguments: str) -> Command:
        connection = ("--connect", f"qemu:///system?socket={bridged.socket}")
        return Command(data, *connection, *arguments, within=bridged.in_its_network).succeed()

    machines = deployed(imgpipe("deploy", str(fleet), *PATIENCE))
    assert_no_two_are_alike(machines)
    wanted = {"app-01": {"10.100.1.10", "10.200.1.10"}, "app-02": {"10.100.1.11", "10.200.1.11"}}
    assert {name: set(machine["addresses"]) for name, machine in machines.items()} == wanted
    assert machines["app-01"]["hostname"] == "app-01.example.org"
    for addresses in wanted.values():
        for address in addresses:
            greeting = subprocess.run(
                [*bridged.in_its_network, sys.executable, "-c", GREETING, address],
                capture_output=True, text=True, check=True, timeout=120,
            )  # fmt: skip
            assert greeting.stdout.startswith("SSH-2.0-")

    fleet.write_text(FLEET.replace("count = 2", "count = 1"))
    fewer = imgpipe("deploy", str(fleet), "--prune", *PATIENCE)
    assert list(deployed(fewer)) == ["app-01"]
    assert deployed(fewer)["app-01"]["machine_id"] == machines["app-01"]["machine_id"]

    imgpipe("machines", "destroy", "--fleet", "shop", "--yes", "--json")
    assert bridged.machines() == []
    assert not Path(machines["app-01"]["disk"]).exists()
