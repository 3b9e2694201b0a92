"""A machine made from the demo image takes the identity of its definition, reports it, and takes another."""

import dataclasses
import re
import subprocess
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from passlib.hash import sha512_crypt

from emulated_guest import emulated
from imgpipe.adapters import qemu_img
from imgpipe.adapters.seed_iso import write_seed
from imgpipe.deploy.wanted import Identity, WantedFile, WantedNic, WantedUser
from imgpipe.identity.carriage import carry
from imgpipe.identity.compare import duplicates, faults
from imgpipe.os_family import Personalise
from imgpipe.sizes import GIB

pytestmark = pytest.mark.vm

PASSWORD = "of this test alone"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz ops@example"
SECRET = "known to root"
# QEMU's user networking is 10.0.2.0/24, with itself as gateway (qemu(1)).
STATIC = WantedNic(
    kind="user", mac="52:54:00:1d:00:01", address=IPv4Interface("10.0.2.77/24"), gateway=IPv4Address("10.0.2.2"),
    dns=(IPv4Address("10.0.2.3"),),
)  # fmt: skip
DYNAMIC = WantedNic(kind="user", mac="52:54:00:1d:00:02")
NICS = (DYNAMIC, STATIC)
IDENTITY = Identity(
    hostname="web-01",
    nics=NICS,
    keys=(KEY,),
    password_hash=sha512_crypt.using(rounds=5000).hash(PASSWORD),
    users=(WantedUser(name="ops", comment="On call", groups=("sudo",), keys=(KEY,)),),
    files=(
        WantedFile(path="/etc/app/token", text=SECRET, mode=0o600, owner="ops:ops", secret=True),
        WantedFile(path="/etc/app/app.conf", text="shown = 'yes'\n", mode=0o640),
    ),
)
OTHER = dataclasses.replace(IDENTITY, hostname="web-02.example.org", nics=(STATIC,), keys=())


@pytest.fixture(scope="module")
def disk(demo, tmp_path_factory):
    """A linked clone of the demo, twice as large."""
    disk = tmp_path_factory.mktemp("clone") / "disk.qcow2"
    qemu_img.create_overlay(disk, Path(demo[0].image["path"]))
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", disk, str(8 * GIB)], check=True)
    return disk


@pytest.fixture(scope="module")
def started(disk):
    """The clone's first boot, up to a session of root."""
    with boot(disk, IDENTITY) as guest:
        guest.told = guest.report()
        guest.log_in("root", PASSWORD)
        yield guest


def boot(disk, identity):
    carried = carry(identity, Personalise(way="first-boot", network="keyfile"), "web-01")
    seed = disk.with_name("seed.iso")
    write_seed(seed, carried.seed_volume_id, {name: text.encode() for name, text in carried.seed_files})
    return emulated(disk, NICS, carried.oem_strings, seed=seed)


def test_a_clone_reports_that_it_is_as_asked(started):
    assert faults(IDENTITY, started.told) == ()
    assert started.told.state == "running"
    assert len(started.told.host_keys) >= 2
    assert "10.0.2.77/24" in started.told.addresses


def test_the_host_name_counts_everywhere(started):
    assert started.run("uname -n; cat /etc/hostname; getent hosts web-01").split() == [
        "web-01", "web-01", "127.0.1.1", "web-01",
    ]  # fmt: skip


def test_the_network_was_set_up_by_mac(started):
    shown = started.run(
        "for n in /sys/class/net/*; do ip -o -4 addr show ${n##*/} scope global; done; nmcli -t con show"
    )
    assert "inet 10.0.2.77/24" in shown
    assert re.search(r"^nic0:.*ethernet:eth0$", shown, re.MULTILINE)
    assert re.search(r"^nic1:.*ethernet:eth1$", shown, re.MULTILINE)
    assert "nameserver 10.0.2.3" in started.run("cat /etc/resolv.conf")


def test_users_keys_and_files_are_there(started):
    assert started.run("id -nG ops").split() == ["ops", "sudo"]
    assert started.run("cat ~ops/.ssh/authorized_keys") == KEY
    assert KEY in started.run("cat ~root/.ssh/authorized_keys")
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


def test_a_second_boot_changes_nothing_and_another_identity_takes_its_place(started, disk):
    first, before = started.told, started.run(_STATE)
    started.run("sync")
    start = len(started.console)
    started.send("systemctl reboot\n")
    started.until("login: ", start)
    again = started.report()
    assert faults(IDENTITY, again) == ()
    assert (again.machine_id, again.host_keys) == (first.machine_id, first.host_keys)
    started.log_in("root", PASSWORD, start)
    assert started.run(_STATE) == before
    started.run("sync")
    started.end()
    with boot(disk, OTHER) as guest:
        told = guest.report()
        assert faults(OTHER, told) == ()
        assert told.hostname == "web-02.example.org"
        assert duplicates({"before": again, "after": told})
        guest.log_in("root", PASSWORD)
        assert guest.run("ls /etc/NetworkManager/system-connections") == "imgpipe-nic0.nmconnection"
        assert KEY not in guest.run("cat ~root/.ssh/authorized_keys; echo")
        assert guest.run("cat ~ops/.ssh/authorized_keys") == KEY
