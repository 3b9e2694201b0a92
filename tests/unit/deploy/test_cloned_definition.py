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
    <graphics type='vnc' port='5901' autoport='yes' listen='127.0.0.1'/>
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
    assert clone.find("genid").text is None  # libvirt makes a new one
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


def with_device(text):
    return SOURCE.replace("</devices>", f"{text}</devices>")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<disk type='block' device='lun'><source dev='/dev/sdq'/></disk>", "devices/disk[4]/@device"),
        ("<disk type='file' device='floppy'><source file='/f.img'/></disk>", "devices/disk[4]/@device"),
        ("<disk type='file'><source file='/s.img'/><shareable/></disk>", "devices/disk[4]/shareable"),
        ("<memory model='nvdimm'><source><path>/tmp/nv</path></source></memory>", "devices/memory/source/path"),
        ("<memory model='virtio-pmem'/>", "devices/memory/@model"),
        ("<pstore backend='acpi-erst'><path>/p</path></pstore>", "devices/pstore"),
        ("<interface type='hostdev'><mac address='52:54:00:00:00:03'/></interface>", "devices/interface[3]/@type"),
        ("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", "devices/interface[3]/@type"),
        ("<interface type='vhostuser'><source type='unix' path='/v'/></interface>", "devices/interface[3]/@type"),
        ("<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>",
         "devices/tpm/backend/device"),
        ("<tpm model='tpm-tis'><backend type='emulator'><source type='dir' path='/t'/></backend></tpm>",
         "devices/tpm/backend/source"),
        ("<serial type='tcp'><source mode='bind' host='::' service='4555'/></serial>", "devices/serial[2]/@type"),
        ("<console type='unix'><source mode='bind' path='/c'/></console>", "devices/console/@type"),
        ("<console type='pty'><log file='/var/log/c.log'/></console>", "devices/console/log"),
        ("<channel type='unix'><source mode='connect' path='/c'/></channel>", "devices/channel[2]/source/@mode"),
        ("<graphics type='vnc' socket='/v.sock'/>", "devices/graphics[2]/@socket"),
        ("<graphics type='vnc' port='5907' autoport='no'/>", "devices/graphics[2]/@port"),
        ("<graphics type='spice' autoport='yes' tlsPort='5908'/>", "devices/graphics[2]/@tlsPort"),
        ("<graphics type='vnc' autoport='yes' websocket='5700'/>", "devices/graphics[2]/@websocket"),
        ("<graphics type='vnc'><listen type='socket' socket='/v'/></graphics>", "devices/graphics[2]/listen/@socket"),
        ("<input type='evdev'><source dev='/dev/input/event1'/></input>", "devices/input/source"),
        ("<hostdev mode='subsystem' type='pci'/>", "devices/hostdev"),
        ("<filesystem type='mount'><source dir='/srv'/></filesystem>", "devices/filesystem"),
        ("<shmem name='s'/>", "devices/shmem"),
        ("<redirdev bus='usb' type='tcp'/>", "devices/redirdev/@type"),
        ("<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng>", "devices/rng/backend"),
        ("<rng model='virtio'><backend model='egd' type='udp'/></rng>", "devices/rng/backend/@type"),
        ("<vsock model='virtio'><cid auto='no' address='3'/></vsock>", "devices/vsock/cid"),
        ("<never-heard-of path='/x'/>", "devices/never-heard-of"),
        ("<disk type='volume' device='cdrom'/>", "devices/disk[4]/@type"),
        ("<interface type='direct'><source dev='eth0' mode='passthrough'/></interface>",
         "devices/interface[3]/source/@mode"),
        ("<parallel type='dev'/>", "devices/parallel/@type"),
        ("<channel type='pipe'/>", "devices/channel[2]/@type"),
        ("<channel type='unix'><target type='guestfwd'/></channel>", "devices/channel[2]/target/@type"),
        ("<input type='passthrough'/>", "devices/input/@type"),
        ("<graphics type='sdl'/>", "devices/graphics[2]/@type"),
        ("<graphics type='vnc'><listen type='socket'/></graphics>", "devices/graphics[2]/listen/@type"),
        ("<audio id='1' type='oss'/>", "devices/audio/@type"),
        ("<video><driver name='vhostuser'/></video>", "devices/video/driver/@name"),
        ("<tpm model='tpm-tis'><backend type='external'/></tpm>", "devices/tpm/backend/@type"),
        ("<tpm model='tpm-tis'><backend type='emulator'><profile source='/etc/p.json'/></backend></tpm>",
         "devices/tpm/backend/profile/@source"),
        ("<rng model='virtio'><backend model='egd'/></rng>", "devices/rng/backend/@model"),
        ("<vsock model='virtio'><cid auto='no' address='3'/></vsock>", "devices/vsock/cid/@auto"),
        ("<vsock model='virtio'><cid address='3'/></vsock>", "devices/vsock/cid"),
        ("<smartcard mode='host'/>", "devices/smartcard/@mode"),
        ("<smartcard mode='passthrough' type='tcp'/>", "devices/smartcard/@type"),
        ("<crypto model='virtio' type='other'/>", "devices/crypto/@type"),
        ("<crypto model='virtio' type='qemu'><backend model='lkcf'/></crypto>", "devices/crypto/backend/@model"),
    ],
)  # fmt: skip
def test_what_two_machines_would_share_is_refused_and_its_place_is_named(text, place):
    with pytest.raises(RecipeError, match="'vm001' cannot be cloned") as caught:
        source_of(with_device(text))
    assert any(f"'{place}'" in fault for fault in caught.value.details), caught.value.details


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-s'/></commandline>",
         "{http://libvirt.org/schemas/domain/qemu/1.0}commandline"),
        ("<launchSecurity type='sev'/>", "launchSecurity"),
        ("<sysinfo type='fwcfg'/>", "sysinfo[2]/@type"),
        ("<blkiotune><device><path>/dev/sda</path></device></blkiotune>", "blkiotune/device"),
        ("<memoryBacking><nosharepages at='/dev/hugepages/vm'/></memoryBacking>", "memoryBacking/nosharepages/@at"),
        ("<perf><event>/run/vm.sock</event></perf>", "perf/event"),
    ],
)  # fmt: skip
def test_what_stands_beside_the_devices_is_refused_too(text, place):
    with pytest.raises(RecipeError) as caught:
        source_of(SOURCE.replace("</domain>", f"{text}</domain>"))
    assert any(f"'{place}'" in fault for fault in caught.value.details), caught.value.details


@pytest.mark.parametrize("word", ["path", "file", "socket", "host", "service", "port", "rendernode"])
def test_what_names_something_of_the_host_is_known_nowhere(word):
    """Also below what is known as a whole; a device's place in the guest alone has a port."""
    with pytest.raises(RecipeError) as caught:
        source_of(SOURCE.replace("</domain>", f"<perf><event {word}='1'/></perf></domain>"))
    assert any(fault.startswith(f"'perf/event/@{word}'") for fault in caught.value.details), caught.value.details
    source_of(with_device("<controller type='usb'><address type='usb' bus='0' port='2'/></controller>"))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("<domain ", "<domain new='x' ", "domain/@new"),
        ("</os>", "<loader type='pflash'>/CODE.fd</loader></os>", "os/loader"),
        ("</os>", "<loader readonly='no'>/CODE.fd</loader></os>", "os/loader/@readonly"),
        ("</domain>", "<seclabel type='static' model='selinux'><label>x</label></seclabel></domain>", "seclabel"),
    ],
)
def test_what_belongs_to_the_whole_machine_is_refused_where_two_would_share_it(old, new, place):
    assert SOURCE.count(old) == 1
    with pytest.raises(RecipeError) as caught:
        source_of(SOURCE.replace(old, new))
    assert any(f"'{place}'" in fault for fault in caught.value.details), caught.value.details


def test_uefi_variables_in_a_place_of_another_kind_are_refused():
    source = "<nvram type='network'><source protocol='iscsi' name='n'/></nvram>"
    with pytest.raises(RecipeError) as caught:
        source_of(SOURCE.replace("<nvram template='/t.fd'>/nv/vm001_VARS.fd</nvram>", source))
    assert [fault for fault in caught.value.details if "'os/nvram/source'" in fault]


@pytest.mark.parametrize(
    "text",
    [
        "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>",
        "<graphics type='vnc' port='5907' autoport='yes'/>",
        "<graphics type='vnc' port='-1' autoport='no'/>",
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<vsock model='virtio'><cid auto='yes' address='3'/></vsock>",
        "<panic model='isa'/>",
        "<controller type='usb' index='0' model='qemu-xhci' ports='15'><address type='pci' slot='0x02'/></controller>",
        "<redirdev bus='usb' type='spicevmc'/>",
        "<video><model type='virtio' heads='1' primary='yes'/></video>",
    ],
)
def test_devices_that_each_machine_has_of_its_own_are_carried(text):
    tag = ET.fromstring(text).tag
    clone = ET.fromstring(cloned_definition(with_device(text), ids()))
    assert source_of(with_device(text)).name == "vm001"
    assert clone.find(f"devices/{tag}") is not None
    assert clone.find("devices/vsock/cid[@address]") is None


def test_serial_numbers_stay_with_the_source_and_it_is_said():
    xml = SOURCE.replace("<target dev='vda' bus='virtio'/>", "<target dev='vda'/><serial>D1</serial><wwn>5001</wwn>")
    assert source_of(xml).left_out == (
        "devices/disk/serial", "devices/disk/wwn", "sysinfo/system/entry[@name='serial']",
    )  # fmt: skip
    clone = cloned_definition(xml, ids())
    assert not [word for word in ("D1", "5001", "S1") if f">{word}<" in clone]


def test_a_second_disk_is_never_shared():
    disk = "<disk type='file' device='disk'><source file='/pool/data.img'/><target dev='vdb'/></disk>"
    with pytest.raises(RecipeError) as caught:
        source_of(with_device(disk))
    assert caught.value.details == ("it has 2 disks of its own; there must be one, and it must be a file",)


def test_every_reason_is_told_at_once():
    xml = with_device("<hostdev mode='subsystem' type='pci'/><shmem name='s'/>").replace("file='/pool/vm001.img'", "")
    with pytest.raises(RecipeError) as caught:
        source_of(xml)
    assert len(caught.value.details) == 3
