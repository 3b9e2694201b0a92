"""Who the clones of a machine are, and what is refused before anything is made."""

import dataclasses
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest
from fake_libvirt import FakeMachines, FakePool, Fakes

from imgpipe.deploy.clone_flags import CloneFlags, order_of
from imgpipe.deploy.clone_making import CloneWork, Cloning
from imgpipe.deploy.cloned_definition import Source
from imgpipe.deploy.cloning import check_source_machine, fleet_of, plan_clones
from imgpipe.deploy.existing import ExistingMachine, ExistingNic, HostFacts, MachineRecord
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Note
from imgpipe.os_family import Personalise
from imgpipe.sizes import MIB

SOURCE = Source(
    name="vm001",
    uuid="6f1d3d7c-0c62-4a7e-9a54-0f2f6f5f1b01",
    disk=Path("/pool/vm001.qcow2"),
    disk_format="qcow2",
    macs=("52:54:00:00:00:01", "52:54:00:00:00:02"),
    nvram=None,
)
RECORD = MachineRecord(
    fleet="web", group="web", template="demo@20260101.1", linked=True, identity="d", hostname="web-01",
    addresses=("10.1.0.10/24",), pool="imgpipe", disk="web-01.qcow2",
)  # fmt: skip


def machine(name, record=None, mac="52:54:00:00:00:01"):
    nic = ExistingNic(kind="bridge", source="br1", mac=mac)
    return ExistingMachine(
        name=name, uuid="u", active=False, autostart=False, cpus=1, memory=2**30, nics=(nic,), record=record
    )


XML = """<domain type="kvm"><name>vm001</name><memory>1</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>
<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="/pool/vm001.qcow2"/>
<target dev="vda"/></disk><interface type="bridge"><mac address="52:54:00:00:00:01"/></interface>
<interface type="bridge"><mac address="52:54:00:00:00:02"/></interface></devices></domain>"""
FACTS = HostFacts(
    uri="qemu:///system", local=True, machines=(machine("vm001"), machine("web-01", RECORD)), pool="imgpipe",
    pool_path="/pool", pool_free=100 * MIB, volumes=frozenset(("vm009.qcow2",)), memory_free=2**30,
    networks=frozenset(), bridges=frozenset(), addresses={IPv4Address("10.9.0.1"): "br2"}, direct_io=True,
)  # fmt: skip


def planned(*names, used=10 * MIB, facts=FACTS, **flags):
    return plan_clones(order_of(CloneFlags(names=names, **flags)), SOURCE, used, facts)


def faults(*names, **how):
    with pytest.raises(RecipeError, match="nothing was touched") as caught:
        planned(*names, **how)
    return caught.value.details


def test_clones_have_names_ids_and_addresses_of_their_own():
    one, two = planned("vm005", "vm006", addresses=["10.1.0.9-10.1.0.20/24"], gateway="10.1.0.9", dns=["10.1.0.2"])
    assert (one.identity.hostname, two.identity.hostname) == ("vm005", "vm006")
    assert one.uuid != two.uuid
    assert len({*one.macs, *two.macs, *SOURCE.macs}) == 6
    # The gateway, and the address of a machine that is there, are left out.
    assert one.identity.nics[0].address == IPv4Interface("10.1.0.11/24")
    assert two.identity.nics[0].address == IPv4Interface("10.1.0.12/24")
    assert one.identity.nics[0].gateway == IPv4Address("10.1.0.9")
    assert (one.identity.nics[1].address, one.identity.nics[1].gateway) == (None, None)
    assert one.record.fleet == fleet_of("vm001")
    assert not one.record.complete


def test_the_hosts_own_addresses_are_no_clones():
    (clone,) = planned("vm005", addresses=["10.9.0.1-10.9.0.2/24"])
    assert clone.identity.nics[0].address == IPv4Interface("10.9.0.2/24")
    (told,) = faults("vm005", addresses=["10.9.0.1/24"])
    assert told == "'vm005': no address is left for NIC 1; 10.9.0.1 is this host's own, on 'br2'"


def test_a_range_that_is_used_up_is_told_with_whose_its_addresses_are():
    told = faults("vm005", "vm006", addresses=["10.1.0.9-10.1.0.11/24"], gateway="10.1.0.9")
    assert told == ("'vm006': no address is left for NIC 1; 10.1.0.9 is the gateway's; 10.1.0.10 is that of 'web-01'",)


def test_the_same_clone_gets_the_same_ids_again():
    assert planned("vm005") == planned("vm005")


def test_clones_of_sources_of_one_name_on_two_hosts_share_nothing():
    elsewhere = dataclasses.replace(SOURCE, uuid="6f1d3d7c-0c62-4a7e-9a54-0f2f6f5f1b02")
    order = order_of(CloneFlags(names=("vm005",)))
    (here,), (there,) = (plan_clones(order, source, 10, FACTS) for source in (SOURCE, elsewhere))
    assert here.uuid != there.uuid
    assert not set(here.macs) & set(there.macs)


def test_without_addresses_the_network_inside_is_left_alone():
    (clone,) = planned("vm005")
    assert clone.identity.nics == ()
    (asking,) = planned("vm005", dhcp=True)
    assert [nic.mac for nic in asking.identity.nics] == list(asking.macs)


def test_each_nic_of_a_clone_has_its_own_answer():
    (clone,) = planned("vm005", addresses=["dhcp", "10.1.0.20/24"], gateway="10.1.0.1", dns=["10.1.0.2"])
    first, second = clone.identity.nics
    assert (first.address, first.gateway, first.dns) == (None, None, ())
    assert (str(second.address), str(second.gateway), list(map(str, second.dns))) == (
        "10.1.0.20/24", "10.1.0.1", ["10.1.0.2"],
    )  # fmt: skip
    assert planned("vm005", addresses=["dhcp"])[0].identity == planned("vm005", dhcp=True)[0].identity


def test_static_addresses_are_not_repeated_in_silence():
    there = dataclasses.replace(FACTS, machines=(machine("vm001", RECORD),))
    (told,) = faults("vm005", facts=there)
    assert "static addresses" in told
    assert "10.1.0.10/24" in told
    assert "'--same-addresses'" in told
    for said in ({"dhcp": True}, {"addresses": ["10.1.0.20/24"]}, {"same_addresses": True}):
        assert planned("vm005", facts=there, **said)


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"dhcp": True, "same_addresses": True}, "'--dhcp' and '--same-addresses'"),
        ({"addresses": ["10.1.0.20/24"], "same_addresses": True}, "'--addresses' and '--same-addresses'"),
        ({"addresses": ["10.1.0.20/24"], "dhcp": True}, "'--addresses' and '--dhcp'"),
    ],
)
def test_what_contradicts_itself_is_refused(said, options):
    assert f"{options} contradict one another: give one" in faults("vm005", **said)


def test_all_faults_are_told_at_once():
    told = faults("vm006", "vm006", "web-01", "vm009", used=50 * MIB, addresses=["10.1.0.7/24"], gateway="10.2.0.1")
    assert "'vm006' is asked for twice" in told
    assert "'web-01': there is a machine of that name" in told
    assert "'vm009': the pool 'imgpipe' has a volume 'vm009.qcow2'" in told
    assert "the gateway 10.2.0.1 is in none of the networks" in told
    assert "'vm009': no address is left for NIC 1" in told
    assert any(line == "the pool 'imgpipe' has 100 MiB left; 204 MiB are needed" for line in told)


@pytest.mark.parametrize("volume", ["vm005.qcow2", "vm005-seed.iso"])
def test_a_volume_that_a_clone_would_have_is_a_fault(volume):
    facts = dataclasses.replace(FACTS, volumes=frozenset((volume,)))
    assert faults("vm005", facts=facts) == (f"'vm005': the pool 'imgpipe' has a volume '{volume}'",)


def test_more_ranges_than_nics_are_a_fault():
    ranges = ["10.1.0.20/24", "10.2.0.20/24", "10.3.0.20/24"]
    assert faults("vm005", addresses=ranges) == ("there are 3 ranges of addresses for 2 NICs",)


def test_a_linked_clone_needs_room_for_an_overlay_and_a_seed_alone():
    (clone,) = planned("vm005", used=200 * MIB, linked=True)
    assert clone.record.linked
    full = dataclasses.replace(FACTS, pool_free=MIB)
    assert faults("vm005", "vm006", used=200 * MIB, linked=True, facts=full) == (
        "the pool 'imgpipe' has 1 MiB left; 2 MiB are needed",
    )


def test_each_clone_needs_the_room_of_the_disk_and_of_a_seed():
    planned("vm005", "vm006", used=49 * MIB)
    (told,) = faults("vm005", "vm006", used=49 * MIB + 1)
    assert told.startswith("the pool 'imgpipe' has 100 MiB left")


def test_what_an_interrupted_run_left_is_taken_over_and_a_finished_clone_is_not():
    begun = dataclasses.replace(RECORD, fleet=fleet_of("vm001"), complete=False)
    facts = dataclasses.replace(FACTS, machines=(machine("vm005", begun),))
    (clone,) = planned("vm005", facts=facts)
    assert clone.leftover == facts.machines[0]
    # What a deploy is making at this moment is no clone's rest.
    deployed = dataclasses.replace(FACTS, machines=(machine("vm005", dataclasses.replace(begun, fleet="web")),))
    assert faults("vm005", facts=deployed) == ("'vm005': there is a machine of that name",)
    finished = dataclasses.replace(begun, complete=True)
    told = faults("vm005", facts=dataclasses.replace(FACTS, machines=(machine("vm005", finished),)))
    assert told == ("'vm005': there is a machine of that name",)


def test_options_that_say_nothing_sensible_are_told_together(tmp_path):
    private = tmp_path / "id"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    flags = CloneFlags(names=("a",), addresses=("10.1.0.1",), gateway="x", dns=("y",), keys=(private,))
    with pytest.raises(RecipeError, match="not valid") as caught:
        order_of(flags)
    assert [line.split()[0] for line in caught.value.details] == ["--gateway", "--key-file", "--addresses", "--dns"]
    assert "secret" not in "".join(caught.value.details)


def test_a_running_source_and_a_pool_elsewhere_are_refused():
    with pytest.raises(RecipeError, match="'vm001' is running"):
        check_source_machine(SOURCE, active=True, local=True, trusted=())
    with pytest.raises(HostError, match="folder of this host"):
        check_source_machine(SOURCE, active=False, local=False, trusted=())


def test_a_header_in_a_raw_disk_is_not_believed(tmp_path):
    disk = tmp_path / "vm001.img"
    disk.write_bytes(b"QFI\xfb" + b"\xff" * 4096)
    raw = dataclasses.replace(SOURCE, disk=disk, disk_format="raw")
    checked = check_source_machine(raw, active=False, local=True, trusted=())
    assert [layer.format for layer in checked.layers] == ["raw"]
    with pytest.raises(RecipeError, match="header that cannot be read"):
        check_source_machine(dataclasses.replace(raw, disk_format="qcow2"), active=False, local=True, trusted=())


def test_what_cannot_be_removed_is_told_and_keeps_neither_the_others_nor_the_reason(tmp_path):
    disk = tmp_path / "vm001.qcow2"
    disk.touch()
    fakes, heard = Fakes(), []
    known, pool = FakeMachines(fakes), FakePool(fakes)
    known.find = lambda name: machine(name, RECORD)
    fakes.failing = {("define", "vm007"), ("remove", "vm005")}
    work = CloneWork(
        machines=known, pool=pool, pool_of=lambda _: pool, accelerator="tcg", notify=heard.append, log=tmp_path / "log"
    )
    source = dataclasses.replace(SOURCE, disk=disk)
    cloning = Cloning(source, None, XML, Personalise(), work)
    # One after the other, so that two are defined when the third is refused.
    cloning._each = lambda clones, act, _phase: [act(clone) for clone in clones]
    clones = [dataclasses.replace(clone, uuid="u") for clone in planned("vm005", "vm006", "vm007")]
    with pytest.raises(HostError, match="no define vm007"):
        cloning.run(clones)
    assert ("remove", "vm006") in fakes.calls
    (warning,) = (note.text for note in heard if isinstance(note, Note) and note.warning)
    assert "'vm005' could not be removed; the next run will: no remove vm005" in warning
