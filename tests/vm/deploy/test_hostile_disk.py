"""What an appliance is shown of a raw disk whose guest wrote a qcow2 header to it: its own bytes, no neighbour's."""

import subprocess

import dirty_guest
import pytest

from imgpipe.deploy.foreign_template import look
from imgpipe.disk_source import check_source
from imgpipe.store import Store

pytestmark = pytest.mark.appliance

UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n'


def root_disk(path, os_release):
    """Make a raw disk that is one ext4 file system with a small root in it."""
    folder = path.with_suffix(".root")
    for name, text in {**dirty_guest.SYSTEM, "/etc/os-release": os_release, "/etc/fstab": "/dev/sda / ext4\n"}.items():
        file = folder / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for name in ("etc", "bin", "usr", "var", "root", "home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    subprocess.run(["mkfs.ext4", "-q", "-d", folder, path, "64M"], check=True, timeout=60)


def test_a_header_in_the_first_bytes_of_a_raw_disk_is_not_followed(tmp_path):
    neighbour, guest, header = (tmp_path / name for name in ("neighbour.img", "guest.img", "header.qcow2"))
    root_disk(neighbour, UBUNTU)
    root_disk(guest, dirty_guest.SYSTEM["/etc/os-release"])
    made = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", neighbour, "-F", "raw", header]
    subprocess.run(made, check=True, timeout=60)
    # The first KiB of an ext4 is nobody's: a boot loader's, or a qcow2 header's with a name behind it. Without tables
    # there every cluster would be the backing file's.
    with guest.open("r+b") as file:
        file.write(header.read_bytes()[:1024])
    guessed = subprocess.run(["qemu-img", "info", guest], check=True, timeout=60, capture_output=True, text=True).stdout
    assert str(neighbour) in guessed
    before = guest.read_bytes()
    assert look(check_source(guest, "raw"), Store(tmp_path / "data"), "tcg").systems[-1] == "debian12"
    assert guest.read_bytes() == before
