"""The demo's image started by hand, by what knows nothing of imgpipe: a larger disk, more NICs, no identity."""

import re
import subprocess
from pathlib import Path

import pytest

from emulated_guest import emulated
from imgpipe.adapters import qemu_img
from imgpipe.deploy.wanted import WantedNic
from imgpipe.sizes import GIB

pytestmark = pytest.mark.vm

# As the build of the image was told (conftest.py).
PASSWORD = "not in any file"
# The image's recipe names one.
NICS = tuple(WantedNic(kind="user", mac=f"52:54:00:1e:00:0{number}") for number in range(1, 4))
ASKED = (
    "uname -n; cat /etc/machine-id; df --output=size -k / | tail -n 1; ls /etc/ssh/ssh_host_*_key | wc -l;"
    " ls -A /etc/NetworkManager/system-connections | tr '\\n' ' '; echo; sed -n 's/^ *linux //p' /boot/grub/grub.cfg"
)


@pytest.fixture(scope="module")
def guest(demo, tmp_path_factory):
    disk = tmp_path_factory.mktemp("by-hand") / "disk.qcow2"
    qemu_img.create_overlay(disk, Path(demo[0].image["path"]))
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", disk, str(8 * GIB)], check=True)
    with emulated(disk, NICS) as guest:
        guest.told = guest.report()
        yield guest


@pytest.fixture(scope="module")
def said(guest):
    """What root, logged in on the console, is told."""
    guest.until("login: ")
    start = guest.type("root\n")
    guest.until("assword: ", start)
    start = guest.type(f"{PASSWORD}\n")
    guest.until(r"[#$] ", start)
    # In two parts, because the console shows what is typed.
    start = guest.type(f"echo BEG''IN; {{ {ASKED}; }} | cat; echo E''ND\n")
    shown = guest.until(r"END\r", start).replace("\r", "")
    return shown.partition("BEGIN\n")[2].splitlines()


def test_all_its_nics_have_addresses(guest):
    assert [len(nic.addresses) >= 1 for nic in guest.told.nics] == [True] * len(NICS)
    assert {nic.mac for nic in guest.told.nics} == {nic.mac for nic in NICS}


def test_its_units_all_start_and_it_has_no_problem(guest):
    assert (guest.told.state, guest.told.failed, guest.told.problems) == ("running", (), ())


def test_it_makes_ids_and_keys_of_its_own(guest, said):
    assert re.fullmatch(r"[0-9a-f]{32}", said[1])
    assert guest.told.machine_id == said[1]
    assert int(said[3]) >= 2
    assert len(guest.told.host_keys) == int(said[3])


def test_its_host_name_is_one(guest, said):
    assert re.fullmatch(r"[a-z][a-z0-9.-]*[a-z0-9]", said[0])
    assert guest.told.hostname == said[0]


def test_its_root_file_system_has_grown(said):
    assert int(said[2]) > 6 * GIB / 1024


def test_its_further_nics_have_profiles_that_their_owner_can_change(said):
    assert said[4].split() == ["eth0.nmconnection", "imgpipe-eth1.nmconnection", "imgpipe-eth2.nmconnection"]


def test_each_kernel_argument_stands_once_in_its_boot_loader(said):
    words = said[5].split()
    assert {"net.ifnames=0", "console=ttyS0,115200n8"} <= set(words)
    assert sorted(words) == sorted(set(words))
