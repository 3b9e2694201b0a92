"""A clone's definition: its source's, but for what two machines must not share."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from imgpipe.deploy import metadata
from imgpipe.deploy.cloned_definition import CloneIds, cloned_definition, source_of
from imgpipe.deploy.existing import MachineRecord
from imgpipe.errors import RecipeError

SOURCE = """<domain type='kvm'>
  <name>vm001</name><uuid>11111111-1111-1111-1111-111111111111</uuid><genid>22222222-1111-1111-1111-111111111111</genid>
  <title>The first one</title>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo='http://libosinfo.org/xmlns/libvirt/domain/1.0'>
      <libosinfo:os id='http://rockylinux.org/rocky/9'/></libosinfo:libosinfo>
    <i:machine xmlns:i='https://imgpipe.org/xmlns/machine/1' linked='no' complete='yes'>
      <i:fleet>old</i:fleet></i:machine>
  </metadata>
  <memory unit='KiB'>2097152</memory><vcpu>2</vcpu>
  <sysinfo type='smbios'>
    <system><entry name='serial'>S1</entry><entry name='uuid'>11111111-1111-1111-1111-111111111111</entry></system>
    <oemStrings><entry>imgpipe:1:1:1:aa:old</entry><entry>theirs</entry></oemStrings>
  </sysinfo>
  <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type><nvram template='/t.fd'>/nv/vm001_VARS.fd</nvram>
    <smbios mode='host'/></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='raw' cache='none' discard='unmap'/>
      <source file='/pool/vm001.img' index='1'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><source file='/pool/vm001-seed.iso'/>
      <target dev='sda' bus='sata'/><readonly/></disk>
    <disk type='file' device='cdrom'><source file='/isos/tools.iso'/><target dev='sdb' bus='sata'/><readonly/></disk>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br1'/><target dev='vnet0'/></interface>
    <interface type='bridge'><mac address='52:54:00:00:00:02'/><source bridge='br2'/></interface>
    <serial type='file'><source path='/var/log/vm001.log'/><target port='0'/></serial>
    <channel type='unix'><source mode='bind' path='/run/vm001.sock'/>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <graphics type='vnc' port='5901' autoport='no' listen='127.0.0.1'/>
  </devices>
</domain>"""
RECORD = MachineRecord(
    fleet="clones of vm001", group="clones", template="vm001", linked=False, identity="d", hostname="vm005",
    addresses=(), pool="imgpipe", disk="vm005.qcow2", complete=False,
)  # fmt: skip
MACS = ("52:54:00:aa:00:01", "52:54:00:aa:00:02")


def ids(**changed):
    own = {
        "name": "vm005",
        "uuid": "55555555-5555-5555-5555-555555555555",
        "macs": MACS,
        "disk": Path("/pool/vm005.qcow2"),
        "seed": None,
        "nvram": Path("/nv/vm005_VARS.fd"),
        "oem_strings": ("imgpipe:1:1:1:bb:new",),
        "record": RECORD,
    }
    return CloneIds(**(own | changed))


@pytest.fixture
def clone():
    return ET.fromstring(cloned_definition(SOURCE, ids()))


def test_the_source_is_read_from_its_definition():
    source = source_of(SOURCE)
    assert (source.name, source.disk, source.disk_format) == ("vm001", Path("/pool/vm001.img"), "raw")
    assert source.macs == ("52:54:00:00:00:01", "52:54:00:00:00:02")
    assert source.nvram == Path("/nv/vm001_VARS.fd")


def test_ids_of_the_clone_are_its_own(clone):
    assert clone.findtext("name") == "vm005"
    assert clone.findtext("uuid") == clone.findtext("sysinfo/system/entry[@name='uuid']") == ids().uuid
    assert clone.find("genid") is None
    assert clone.find("title") is None
    assert [mac.get("address") for mac in clone.iterfind("devices/interface/mac")] == list(MACS)
    assert clone.findtext("os/nvram") == "/nv/vm005_VARS.fd"
    assert metadata.of_element(clone) == RECORD


def test_devices_and_size_stay_as_they_were(clone):
    assert (clone.findtext("memory"), clone.findtext("vcpu")) == ("2097152", "2")
    driver = clone.find("devices/disk[@device='disk']/driver")
    assert driver.attrib == {"name": "qemu", "type": "qcow2", "cache": "none", "discard": "unmap"}
    assert clone.find("devices/disk[@device='disk']/source").attrib == {"file": "/pool/vm005.qcow2"}
    assert [nic.get("bridge") for nic in clone.iterfind("devices/interface/source")] == ["br1", "br2"]
    assert clone.find("metadata/{http://libosinfo.org/xmlns/libvirt/domain/1.0}libosinfo") is not None
    assert clone.findtext("sysinfo/system/entry[@name='serial']") == "S1"


def test_what_only_one_machine_may_have_open_is_left_to_libvirt(clone):
    assert not list(clone.iterfind("devices/channel/source"))
    assert clone.find("devices/serial").get("type") == "pty"
    assert clone.find("devices/graphics").attrib == {"type": "vnc", "autoport": "yes", "listen": "127.0.0.1"}
    assert clone.find("devices/interface/target") is None


def test_identities_of_the_source_go_and_strings_of_others_stay(clone):
    assert [entry.text for entry in clone.iterfind("sysinfo/oemStrings/entry")] == ["imgpipe:1:1:1:bb:new", "theirs"]
    assert [mode.get("mode") for mode in clone.iterfind("os/smbios")] == ["sysinfo"]
    cds = [source.get("file") for source in clone.iterfind("devices/disk[@device='cdrom']/source")]
    assert cds == ["/isos/tools.iso"]
    assert clone.find("devices/channel/target[@name='org.imgpipe.report.0']") is not None


def test_a_seed_becomes_a_cd_of_its_own():
    clone = ET.fromstring(cloned_definition(SOURCE, ids(seed=Path("/pool/vm005-seed.iso"))))
    cds = {cd.find("target").get("dev"): cd.find("source").get("file") for cd in clone.iterfind("devices/disk")}
    assert cds == {"vda": "/pool/vm005.qcow2", "sdb": "/isos/tools.iso", "sda": "/pool/vm005-seed.iso"}


def test_without_a_copy_libvirt_makes_new_variables():
    assert ET.fromstring(cloned_definition(SOURCE, ids(nvram=None))).find("os/nvram") is None


def test_a_machine_that_cannot_be_in_two_places_is_refused_with_every_reason():
    xml = SOURCE.replace("<devices>", "<devices><hostdev mode='subsystem' type='pci'/>").replace(
        "file='/pool/vm001.img'", ""
    )
    with pytest.raises(RecipeError, match="'vm001' cannot be cloned") as caught:
        source_of(xml)
    assert caught.value.details == (
        "it has a 'hostdev', which cannot be in two machines",
        "it has 1 disks of its own; there must be one, and it must be a file",
    )
