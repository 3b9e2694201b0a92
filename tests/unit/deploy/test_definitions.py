import dataclasses
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from sample_fleets import FACTS, fleet, plan

from imgpipe.deploy import metadata
from imgpipe.deploy.definitions import HostPolicy, changed, definition, independent
from imgpipe.deploy.record import record_of
from imgpipe.deploy.workshop import host_policy
from imgpipe.domain_features import NEWEST
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB

POLICY = HostPolicy(folder=Path("/pool"), accelerator="kvm")
GOLDEN = Path("/data/images/rocky9/20260301.1/golden.qcow2")
MACHINE = plan(fleet(), FACTS).machines[0]
RECORD = record_of(MACHINE, "imgpipe")
XML = definition(MACHINE, ("one", "<two>"), RECORD, POLICY, GOLDEN)


def facts(xml):
    """Return all elements below the domain with their attributes and text, in order."""
    found = []

    def walk(element, path):
        for child in element:
            place = f"{path}/{child.tag.rpartition('}')[2]}"
            found.append((place, dict(child.attrib), (child.text or "").strip()))
            walk(child, place)

    walk(ET.fromstring(xml), "")
    return found


def test_a_definition_has_what_every_clone_must_have():
    domain = ET.fromstring(XML)
    assert domain.findtext("name") == MACHINE.name
    assert domain.findtext("uuid") == MACHINE.uuid
    assert domain.find("os/type").attrib == {"arch": "x86_64", "machine": "q35"}
    assert domain.find("cpu").get("mode") == "host-passthrough"
    assert [entry.text for entry in domain.iterfind("sysinfo/oemStrings/entry")] == ["one", "<two>"]
    disk = domain.find("devices/disk")
    assert disk.find("driver").attrib == {"name": "qemu", "type": "qcow2", "cache": "none", "discard": "unmap"}
    assert disk.find("source").get("file") == f"/pool/{MACHINE.name}.qcow2"
    assert disk.find("backingStore/source").get("file") == str(GOLDEN)
    assert disk.find("backingStore/source/seclabel").attrib == {"model": "dac", "relabel": "no"}
    ports = [target.get("name") for target in domain.iterfind("devices/channel/target")]
    assert ports == ["org.imgpipe.report.0", "org.qemu.guest_agent.0"]
    assert domain.find("devices/serial").get("type") == "pty"
    assert domain.findtext("devices/rng/backend") == "/dev/urandom"
    assert metadata.of_element(domain) == RECORD


@pytest.mark.parametrize(
    ("policy", "place", "wanted"),
    [
        ({"cpu": "host-model"}, "cpu", {"mode": "host-model", "check": "partial"}),
        ({"accelerator": "tcg"}, "cpu", {"mode": "maximum"}),
        ({"as_root": True}, "seclabel", {"type": "static", "model": "dac", "relabel": "yes"}),
    ],
)
def test_the_host_decides_how_machines_run(policy, place, wanted):
    xml = definition(MACHINE, (), RECORD, dataclasses.replace(POLICY, **policy))
    assert ET.fromstring(xml).find(place).attrib == wanted


def test_changing_nothing_changes_nothing():
    assert facts(changed(XML, XML)) == facts(XML)


def test_a_seed_comes_and_goes():
    seeded = definition(MACHINE, ("one",), dataclasses.replace(RECORD, seed=f"{MACHINE.name}-seed.iso"), POLICY)
    assert ET.fromstring(changed(XML, seeded)).find("devices/disk[@device='cdrom']/source") is not None
    again = changed(changed(XML, seeded), seeded)
    assert len(ET.fromstring(again).findall("devices/disk[@device='cdrom']")) == 1
    assert ET.fromstring(changed(again, XML)).find("devices/disk[@device='cdrom']") is None


def test_the_cd_of_somebody_else_stays_and_keeps_its_place():
    domain = ET.fromstring(XML)
    cd = ET.SubElement(domain.find("devices"), "disk", type="file", device="cdrom")
    ET.SubElement(cd, "source", file="/iso/rescue.iso")
    ET.SubElement(cd, "target", dev="sda", bus="sata")
    seeded = definition(MACHINE, (), dataclasses.replace(RECORD, seed=f"{MACHINE.name}-seed.iso"), POLICY)
    found = ET.fromstring(changed(ET.tostring(domain, encoding="unicode"), seeded))
    cds = {cd.find("source").get("file"): cd.find("target").get("dev") for cd in found.iterfind("devices/disk")}
    assert cds["/iso/rescue.iso"] == "sda"
    assert cds[f"/pool/{MACHINE.name}-seed.iso"] == "sdb"


def test_size_strings_and_nics_change_and_all_else_stays():
    domain = ET.fromstring(XML)
    ET.SubElement(domain, "currentMemory", unit="KiB").text = "1"
    nic = domain.find("devices/interface")
    ET.SubElement(nic, "address", type="pci", slot="0x07")
    ET.SubElement(domain.find("devices"), "tablet", mark="mine")
    current = ET.tostring(domain, encoding="unicode")
    other = dataclasses.replace(
        MACHINE,
        machine=Machine(cpus=8, memory=4 * GIB, disk=15 * GIB),
        identity=dataclasses.replace(
            MACHINE.identity,
            nics=(
                dataclasses.replace(MACHINE.identity.nics[0], source="br9"),
                dataclasses.replace(MACHINE.identity.nics[0], mac="52:54:00:00:00:01"),
            ),
        ),
    )
    found = ET.fromstring(changed(current, definition(other, (), RECORD, POLICY)))
    assert (found.findtext("vcpu"), found.findtext("memory"), found.find("memory").get("unit")) == ("8", "4096", "MiB")
    assert found.find("currentMemory") is None
    assert found.find("sysinfo") is None
    assert found.find("os/smbios") is None
    nics = found.findall("devices/interface")
    assert [nic.find("source").get("bridge") for nic in nics] == ["br9", MACHINE.identity.nics[0].source]
    assert [nic.find("address") is not None for nic in nics] == [True, False]
    assert found.find("devices/tablet").get("mark") == "mine"


def test_an_independent_disk_has_no_backing_files_and_the_record_says_so():
    record = dataclasses.replace(RECORD, linked=False)
    domain = ET.fromstring(independent(XML, record))
    assert domain.find("devices/disk/backingStore") is None
    assert metadata.of_element(domain) == record
    assert len(domain.findall("metadata/*")) == 2


@pytest.mark.parametrize("local", [True, False])
def test_a_definition_is_what_the_hosts_libvirt_takes(tmp_path, local):
    asked = []

    class Old:
        """A libvirt of an old host, near or far."""

        uri = "qemu+unix:///system"

        def accelerator(self):
            return "kvm"

        offers_kvm = accelerator

        def features(self, accelerator):
            asked.append(accelerator)
            return dataclasses.replace(NEWEST, libvirt=(6, 2, 0))

    Old.local = local
    pool = SimpleNamespace(path=tmp_path, local=local)
    policy = host_policy(Old(), pool, tmp_path, lambda _event: None, "host-passthrough")
    cpu = ET.fromstring(definition(MACHINE, (), RECORD, policy)).find("cpu")
    assert cpu.attrib == {"mode": "host-passthrough", "check": "none"}
    assert asked == ["kvm"]
    assert ET.fromstring(XML).find("cpu").get("migratable") == "on"
