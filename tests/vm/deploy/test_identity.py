"""A machine made from the demo image takes the identity of its definition, reports it, and takes another."""

import dataclasses
import re
import subprocess
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from emulated_guest import emulated
from imgpipe.adapters import qemu_img
from imgpipe.adapters.seed_iso import write_seed
from imgpipe.deploy.wanted import Identity, WantedFile, WantedNic, WantedUser
from imgpipe.identity.carriage import carry
from imgpipe.identity.compare import duplicates, faults
from imgpipe.os_family import Personalise
from imgpipe.sizes import GIB

pytestmark = pytest.mark.vm

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz ops@example"
SECRET = "known to root"
# QEMU itself is the second address of a user network, and serves names at the third (qemu(1)).
STATIC = WantedNic(
    kind="user", mac="52:54:00:1d:00:01", address=IPv4Interface("192.168.77.10/24"),
    gateway=IPv4Address("192.168.77.2"), dns=(IPv4Address("192.168.77.3"),),
)  # fmt: skip
DYNAMIC = WantedNic(kind="user", mac="52:54:00:1d:00:02")
NICS = (DYNAMIC, STATIC)
IDENTITY = Identity(
    hostname="web-01",
    nics=NICS,
    password_hash="$6$saltsalt$" + "x" * 86,
    users=(WantedUser(name="ops", comment="On call", groups=("sudo",), keys=(KEY,)),),
    files=(
        WantedFile(path="/etc/app/token", text=SECRET, mode=0o600, owner="ops:ops", secret=True),
        WantedFile(path="/etc/app/app.conf", text="shown = 'yes'\n", mode=0o640),
    ),
)


@pytest.fixture(scope="module")
def disk(demo, tmp_path_factory):
    """A linked clone of the demo, twice as large, with a key for root beside it."""
    disk = tmp_path_factory.mktemp("clone") / "disk.qcow2"
    qemu_img.create_overlay(disk, Path(demo[0].image["path"]))
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", disk, str(8 * GIB)], check=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", disk.with_name("key")], check=True)
    return disk


@pytest.fixture(scope="module")
def identity(disk):
    return dataclasses.replace(IDENTITY, keys=(disk.with_name("key.pub").read_text().strip(),))


@pytest.fixture(scope="module")
def started(disk, identity):
    """The clone's first boot."""
    with boot(disk, identity) as guest:
        guest.told = guest.report()
        yield guest


def boot(disk, identity):
    carried = carry(identity, Personalise(way="first-boot", network="keyfile"), "web-01")
    seed = disk.with_name("seed.iso")
    write_seed(seed, carried.seed_volume_id, {name: text.encode() for name, text in carried.seed_files})
    return emulated(disk, NICS, carried.oem_strings, seed=seed)


def test_a_clone_reports_that_it_is_as_asked(started, identity):
    assert faults(identity, started.told) == ()
    assert started.told.state == "running"
    assert len(started.told.host_keys) >= 2
    assert "192.168.77.10/24" in started.told.addresses


def test_the_host_keys_reported_are_those_that_a_client_sees(started):
    started.run("true")
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", started.folder / "known_hosts"], capture_output=True, text=True, check=True
    ).stdout
    assert shown.split()[1] in started.told.host_keys


def test_the_host_name_counts_everywhere(started):
    assert started.run("uname -n; cat /etc/hostname; getent hosts web-01").split() == [
        "web-01", "web-01", "127.0.1.1", "web-01",
    ]  # fmt: skip


def test_the_network_was_set_up_by_mac(started):
    shown = started.run(
        "for n in /sys/class/net/*; do ip -o -4 addr show ${n##*/} scope global; done; nmcli -t con show"
    )
    assert "inet 192.168.77.10/24" in shown
    assert re.search(r"^nic0:.*ethernet:eth0$", shown, re.MULTILINE)
    assert re.search(r"^nic1:.*ethernet:eth1$", shown, re.MULTILINE)
    assert "nameserver 192.168.77.3" in started.run("cat /etc/resolv.conf")


def test_users_keys_and_files_are_there(started):
    assert started.run("id -nG ops").split() == ["ops", "sudo"]
    assert started.run("cat ~ops/.ssh/authorized_keys") == KEY
    assert started.run("getent shadow root ops | cut -d: -f2").split() == [IDENTITY.password_hash, "!"]
    assert started.run("stat -c '%a %U:%G' ~ops/.ssh ~ops/.ssh/authorized_keys /etc/app/token /etc/app/app.conf") == (
        "700 ops:ops\n600 ops:ops\n600 ops:ops\n640 root:root"
    )
    assert started.run("cat /etc/app/token; echo; cat /etc/app/app.conf") == f"{SECRET}\nshown = 'yes'"


def test_the_root_file_system_has_grown(started):
    assert int(started.run("df --output=size -k / | tail -n 1")) > 6 * GIB / 1024
    assert int(started.run("blockdev --getsize64 /dev/vda")) == 8 * GIB


def test_nothing_secret_is_left_for_ordinary_users(started):
    readable = started.run(
        "for f in /sys/firmware/dmi/tables/DMI /var/lib/imgpipe/identity /dev/sr0 /run/imgpipe/secrets; do"
        " setpriv --reuid=ops --regid=ops --groups=cdrom cat $f > /dev/null 2>&1 && echo $f; done"
    )
    assert readable == ""
    assert started.run("journalctl --no-pager | grep -c -e '\\$6\\$' -e 'known to root'") == "0"


def test_the_console_shows_one_line_and_no_secret(started):
    shown = started.console.decode(errors="replace")
    assert len(re.findall(r"imgpipe: .*", shown)) == 1
    assert "imgpipe: this machine is web-01 (identity " in shown
    assert IDENTITY.password_hash not in shown


_STATE = (
    "stat -c '%n %Y %i' /etc/hostname /etc/hosts /etc/shadow /var/lib/imgpipe/identity ~ops/.ssh/authorized_keys"
    " /etc/NetworkManager/system-connections/* /etc/app/*; cat /sys/class/block/vda?/size; cat /etc/machine-id"
)


def test_a_second_boot_changes_nothing(started, identity):
    before, start = started.run(_STATE), len(started.console)
    started.run("systemctl reboot")
    started.until("Linux version", start)
    started.until("login: ", start)
    again = started.report()
    assert faults(identity, again) == ()
    assert (again.machine_id, again.host_keys) == (started.told.machine_id, started.told.host_keys)
    assert started.run(_STATE) == before
    started.run("sync")
    started.end()


def test_another_identity_takes_its_place(started, disk, identity):
    assert started.process.poll() is not None
    other = dataclasses.replace(identity, hostname="web-02.example.org", nics=(STATIC,), users=())
    with boot(disk, other) as guest:
        told = guest.report()
        assert faults(other, told) == ()
        assert [found for found in duplicates({"before": started.told, "after": told}) if "machine-id" in found]
        assert guest.run("ls /etc/NetworkManager/system-connections") == "imgpipe-nic0.nmconnection"
        assert guest.run("cat ~root/.ssh/authorized_keys") == identity.keys[0]
        assert guest.run("cat ~ops/.ssh/authorized_keys") == KEY
