"""Which distribution this is, and what it calls what imgpipe needs."""

import re

import pytest

from imgpipe.host.distribution import _CALLED, Distribution, this_host
from os_releases import OS_RELEASES


@pytest.mark.parametrize("system", OS_RELEASES.values(), ids=OS_RELEASES)
def test_os_release_names_family_and_release(tmp_path, system):
    (tmp_path / "os-release").write_text(system.text)
    found = this_host(tmp_path / "os-release", lambda program: program == "rpm" and not system.deb)
    assert (found.family, found.release) == (system.family, system.release)


def test_a_host_without_os_release_is_unknown_and_gets_no_commands(tmp_path):
    found = this_host(tmp_path / "none")
    assert found.family == "unknown"
    assert found.install("firmware") == ()
    assert found.kernel() == ()


def of(family, release="", codename=""):
    return Distribution(family=family, title=family, release=release, codename=codename)


LISTED = {(system.family, system.release) for system in OS_RELEASES.values() if system.family != "unknown"}


@pytest.mark.parametrize(("family", "release"), sorted(LISTED))
@pytest.mark.parametrize("need", _CALLED)
def test_each_release_has_a_package_for_each_need(family, release, need):
    (command,) = of(family, release).install(need)
    named = command.split()[2:]
    assert named
    listed = {name for wanted in of(family, release).wanted() for name in re.split(r"[|+]", wanted.package)}
    assert {name for name in named if not name.startswith("--")} <= listed
    assert command.startswith("apt-get install" if family in ("debian", "ubuntu") else "dnf install")


@pytest.mark.parametrize(("family", "release"), sorted(LISTED))
def test_no_release_wants_a_package_twice(family, release):
    named = [one.package for one in of(family, release).wanted()]
    assert len(named) == len(set(named))


@pytest.mark.parametrize("family", ["debian", "ubuntu", "el", "openeuler"])
def test_each_release_of_a_list_says_how_it_was_checked(family):
    lines = of(family)._lines()
    said = {line.split()[2] for line in lines if line.startswith("# Checked:")}
    tried = {release for line in lines if line.startswith("# Tried on:") for release in line.split()[3:]}
    # These two are relatives that are named nowhere.
    assert {release for one, release in LISTED if one == family} - {"22", "4"} <= said | tried


def test_dnf_passes_over_the_names_that_a_relative_does_not_have():
    relative = of("openeuler", "24.03")
    assert relative.install("qemu") == ("dnf install --setopt=strict=0 qemu qemu-kvm",)
    assert relative.install("tpm") == ("dnf install --setopt=strict=0 swtpm swtpm-tools",)
    assert relative.install("guestfs") == ("dnf install python3-libguestfs",)
    assert of("el", "9").install("qemu", "qemu-img") == ("dnf install qemu-kvm qemu-img",)


def test_debian_12_takes_qemu_from_its_backports_and_firmware_from_itself():
    bookworm = of("debian", "12", "bookworm")
    assert bookworm.install("qemu") == ("apt-get install -t bookworm-backports qemu-system-x86",)
    assert bookworm.install("firmware") == ("apt-get install ovmf",)
    assert of("debian", "13", "trixie").install("qemu") == ("apt-get install qemu-system-x86",)


@pytest.mark.parametrize(
    ("host", "command"),
    [
        (of("debian", "12", "bookworm"), "apt-get install -t bookworm-backports qemu-system-x86 qemu-utils"),
        (of("ubuntu", "22.04", "jammy"), "do-release-upgrade"),
        (of("el", "9"), "dnf upgrade 'qemu*' 'libvirt*'"),
        (of("openeuler", "24.03"), "dnf upgrade 'qemu*' 'libvirt*'"),
    ],
)
def test_each_family_gets_a_newer_qemu_by_a_command_that_can_be_typed(host, command):
    (found,) = host.newer_qemu()
    assert found.startswith(command)
    assert of("unknown").newer_qemu() == ()


def test_a_package_of_one_release_is_wanted_on_that_alone():
    assert "python3.11-venv" in {one.package for one in of("ubuntu", "22.04").wanted()}
    assert "python3.11-venv" not in {one.package for one in of("ubuntu", "24.04").wanted()}


def test_only_what_was_tried_is_called_tried():
    assert of("debian", "12").tried()
    assert of("debian", "13").tried()
    for family, release in (("ubuntu", "24.04"), ("el", "9"), ("el", "10"), ("openeuler", "24.03"), ("debian", "11")):
        assert not of(family, release).tried()
