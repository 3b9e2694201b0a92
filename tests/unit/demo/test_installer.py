"""The installer's readings and texts, on kickstarts as people write them."""

import configparser
import re
from pathlib import Path

import pytest

from imgpipe_demo.installer import answers, bootloader, network, storage, wishes
from imgpipe_demo.installer.errors import KickstartError
from imgpipe_demo.installer.layout import place_partitions
from imgpipe_demo.installer.options import parse_options

LVM = """\
#version=RHEL9
text
zerombr
ignoredisk --only-use=vda
clearpart --all --initlabel
part biosboot --fstype=biosboot --size=2
part /boot --fstype=xfs --size=1024
part swap --size=2048
part pv.01 --size=1 --grow
volgroup vg0 pv.01
logvol / --vgname=vg0 --name=root --percent=100 --fstype=xfs
network --device=eth0 --bootproto=static --ip=192.168.126.100 --netmask=255.255.255.0 \
--gateway=192.168.126.2 --nameserver=192.168.126.2,fd00::2
network --device=eth1 --bootproto=dhcp --onboot=off --noipv6
poweroff
"""


@pytest.fixture
def read(tmp_path):
    def _read(text, version="RHEL9"):
        path = tmp_path / "ks.cfg"
        path.write_text(text)
        return answers.read_kickstart(path, version)

    return _read


def test_the_version_is_as_asked_or_as_the_first_line_says_or_el9s():
    assert answers.handler_name("#version=RHEL10\n") == "RHEL10"
    assert answers.handler_name("# version=RHEL8\n", "F36") == "F36"
    assert answers.handler_name("text\n") == "RHEL9"


def test_a_fault_is_reported_in_anacondas_words(read):
    with pytest.raises(KickstartError) as caught:
        read("text\nnonsense\n")
    assert "An error occurred during reading the kickstart file:" in str(caught.value)
    assert "The following problem occurred on line 2 of the kickstart file:" in str(caught.value)


def test_pre_scripts_are_read_where_the_rest_cannot_be(tmp_path):
    path = tmp_path / "ks.cfg"
    path.write_text("nonsense\n%include /tmp/made-by-pre\n%pre\necho\n%end\n")
    assert [script.lineno for script in answers.read_scripts(path).scripts] == [3]


def test_the_operators_layout_is_four_primaries_and_a_group(read):
    kickstart = read(LVM)
    label = wishes.disk_label(kickstart, uefi=False)
    asked = wishes.partitions(kickstart, label, uefi=False)
    usable = wishes.usable_disks(kickstart, {"vda": 15360, "vdb": 15360})
    placed = place_partitions(asked, usable, label)
    assert label == "msdos"
    assert storage.sfdisk_script(placed, label) == [
        "label: dos",
        "1: start=2048, size=4096, type=da",
        "2: start=6144, size=2097152, type=83, bootable",
        "3: start=2103296, size=4194304, type=82",
        "4: start=6297600, size=25157632, type=8e",
    ]
    assert wishes.groups(kickstart)[0].volumes == ("pv.01",)
    assert wishes.volumes(kickstart)[0].percent == 100


@pytest.mark.parametrize(
    ("uefi", "expected"),
    [(False, ["biosboot", "/boot", "/"]), (True, ["/boot/efi", "/boot", "/"])],
)
def test_reqpart_adds_what_the_firmware_needs(read, uefi, expected):
    kickstart = read("clearpart --all --disklabel=gpt\nreqpart --add-boot\npart / --size=1 --grow\n")
    assert [wish.mountpoint for wish in wishes.partitions(kickstart, "gpt", uefi=uefi)] == expected


def _keyfile(data):
    text = network.keyfile(data, data.device, "00000000-0000-0000-0000-000000000001")
    parsed = configparser.ConfigParser()
    parsed.read_string(text)
    return {section: dict(parsed[section]) for section in parsed.sections()}


def test_a_static_line_becomes_a_keyfile(read):
    profile = _keyfile(read(LVM).network.network[0])
    assert profile["connection"]["interface-name"] == "eth0"
    assert profile["ipv4"] == {
        "address1": "192.168.126.100/24,192.168.126.2",
        "dns": "192.168.126.2;",
        "method": "manual",
    }
    assert profile["ipv6"] == {"addr-gen-mode": "eui64", "dns": "fd00::2;", "method": "auto"}


def test_a_dhcp_line_becomes_a_keyfile(read):
    profile = _keyfile(read(LVM).network.network[1])
    assert profile["connection"]["autoconnect"] == "false"
    assert profile["ipv4"] == {"method": "auto"}
    assert profile["ipv6"] == {"method": "disabled"}


def test_the_command_line_is_read_and_what_anaconda_keeps_is_kept():
    options = parse_options(
        "inst.ks=hd:LABEL=ks:/ks.cfg inst.cmdline net.ifnames=0 quiet standin.fault=slow,script "
        "console=ttyS0,115200n8 inst.standin.handler=RHEL8 panic=30"
    )
    assert options.cmdline
    assert options.faults == {"slow", "script"}
    assert options.handler == "RHEL8"
    assert options.preserved == ("net.ifnames=0", "console=ttyS0,115200n8")


def test_a_kernel_argument_of_both_stands_once_in_the_boot_loader(read):
    options = parse_options("net.ifnames=0 biosdevname=0 console=ttyS0,115200n8")
    appended = LVM + "bootloader --append='net.ifnames=0 console=tty0 console=ttyS0,115200n8 quiet'\n"
    assert bootloader.kernel_arguments(read(appended), options) == (
        "console=tty0 quiet net.ifnames=0 biosdevname=0 console=ttyS0,115200n8"
    )


def test_the_installer_imports_nothing_that_the_medium_lacks():

    for path in Path(answers.__file__).parent.glob("*.py"):
        assert not re.search(r"^(?:from|import) imgpipe", path.read_text(), re.MULTILINE), path
