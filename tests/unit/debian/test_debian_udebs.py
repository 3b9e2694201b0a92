"""What is laid over the installer's initrd, and which modules of its kernel are added."""

import stat

import pytest

from imgpipe.errors import HostError
from imgpipe.media import newc
from imgpipe_debian import control, kernel_modules, udebs

STATUS = """\
Package: anna
Status: install ok unpacked
Version: 1.99

Package: download-installer
Status: install ok unpacked
Version: 1.69
Installer-Menu-Item: 2300

Package: kernel-image-6.12.1+deb13-amd64-di
Status: install ok unpacked
Version: 6.12.1-1
"""


def file(name, data=b"", mode=0o644):
    return newc.Entry(name=name, mode=stat.S_IFREG | mode, data=data)


def folder(name):
    return newc.Entry(name=name, mode=stat.S_IFDIR | 0o755)


def link(name, target):
    return newc.Entry(name=name, mode=stat.S_IFLNK | 0o777, data=target.encode())


@pytest.fixture
def base():
    return udebs.tree(
        [
            link("lib", "usr/lib"),
            folder("usr"),
            folder("usr/lib"),
            folder("var/lib/dpkg"),
            folder("var/lib/dpkg/info"),
            file("var/lib/dpkg/status", STATUS.encode()),
            file(
                "var/lib/dpkg/info/anna.templates",
                b"Template: a/b\nDescription: x\nDescription-pt_BR.UTF-8: y\n long\n",
            ),
        ]
    )


def laid_over(base, *added, installed=()):
    return {entry.name: entry for entry in udebs.overlay(base, [udebs.tree(added)], installed)}


def test_the_step_that_would_download_components_is_gone(base):
    found = control.packages(laid_over(base)["var/lib/dpkg/status"].data.decode())
    assert "download-installer" not in found
    assert "anna" in found


def test_added_packages_are_unpacked_but_not_configured(base):
    added = {
        "package": "pkgsel",
        "version": "1",
        "installer-menu-item": "7000",
        "description": "first\nsecond",
        "size": "9",
    }
    text = laid_over(base, installed=[added])["var/lib/dpkg/status"].data.decode()
    assert text.endswith(
        "\n\nPackage: pkgsel\nStatus: install ok unpacked\nVersion: 1\n"
        "Installer-Menu-Item: 7000\nDescription: first\n\n"
    )


def test_translations_are_left_out(base):
    entry = laid_over(base)["var/lib/dpkg/info/anna.templates"]
    assert entry.data == b"Template: a/b\nDescription: x\n"


def test_a_file_goes_where_the_initrds_link_points(base):
    found = laid_over(base, folder("lib"), folder("lib/partman"), file("lib/partman/x"))
    assert "usr/lib/partman/x" in found
    assert "usr/lib/partman" in found
    assert "lib" not in found


def test_missing_folders_come_before_their_files(base):
    names = list(laid_over(base, file("opt/a/b")))
    assert names.index("opt") < names.index("opt/a") < names.index("opt/a/b")


def test_folders_that_are_there_are_not_repeated(base):
    assert "usr/lib" not in laid_over(base, folder("usr/lib"), file("usr/lib/x"))


def test_every_repacked_udeb_can_be_needed():
    assert all(name.endswith("-udeb") for name in udebs.REPACKED)


DEP = """\
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/lib/crc.ko.xz:
kernel/drivers/md/dm-mod.ko.xz:
kernel/drivers/net/other.ko.xz:
"""


def test_modules_come_with_what_they_need():
    assert kernel_modules.select(DEP, "kernel/drivers/virtio/virtio_pci.ko\n", ["ext4", "virtio_pci", "dm_mod"]) == [
        "kernel/drivers/md/dm-mod.ko.xz",
        "kernel/fs/ext4/ext4.ko.xz",
        "kernel/fs/jbd2/jbd2.ko.xz",
        "kernel/lib/crc.ko.xz",
    ]


def test_a_module_the_kernel_does_not_know_is_an_error():
    with pytest.raises(HostError, match="xfs"):
        kernel_modules.select(DEP, "", ["xfs"])


def test_the_kernel_is_named_by_the_installers_own_status(base):
    assert kernel_modules.release_of(udebs.status(base)) == ("6.12.1+deb13-amd64", "6.12.1-1")
