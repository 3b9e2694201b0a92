"""Machines that somebody copied, renamed, snapshotted or undefined: nothing of anybody else's is ever removed."""

import dataclasses
import re
import shlex
import uuid
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from sample_fleets import FACTS, existing, fleet, plan, with_machines
from test_bring_up import Run

from imgpipe.cli.machine_views import state, values
from imgpipe.deploy import bring_up, metadata
from imgpipe.deploy.changes import Make, change_of
from imgpipe.deploy.needed import survey
from imgpipe.deploy.ownership import COPIED, UNCERTAIN, believed
from imgpipe.deploy.removal import discard, remove_leftover, remove_machine
from imgpipe.deploy.selection import Choice, chosen
from imgpipe.deploy.snapshots import overlays
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.disk_uses import DiskUse, DiskUses
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path)
    made.apply()
    return made


def copy_of(run, name, new, *, disk=None):
    """Define what virt-clone makes of a machine: all is new but the metadata; or with the same disk."""
    domain = ET.fromstring(run.machines.known[name])
    domain.find("name").text = new
    domain.find("uuid").text = str(uuid.uuid4())
    domain.find("devices/disk[@device='disk']/source").set("file", disk or f"/pool/{new}.qcow2")
    run.machines.known[new] = ET.tostring(domain, encoding="unicode")
    run.pool.volumes.setdefault(f"{new}.qcow2", "a copy")


def with_disk(run, name, path):
    domain = ET.fromstring(run.machines.known[name])
    domain.find("devices/disk[@device='disk']/source").set("file", path)
    run.machines.known[name] = ET.tostring(domain, encoding="unicode")


def without_uuid(run, name):
    domain = ET.fromstring(run.machines.known[name])
    record = domain.find(f"metadata/{{{metadata.NAMESPACE}}}machine")
    record.remove(record.find(f"{{{metadata.NAMESPACE}}}uuid"))
    run.machines.known[name] = ET.tostring(domain, encoding="unicode")


def test_a_copied_record_makes_no_machine_ours(run):
    copy_of(run, run.names[0], "copy")
    copy = run.machines.find("copy")
    assert (copy.record, copy.stranger) == (None, COPIED)
    assert state(copy) == "not imgpipe's"
    assert values(copy)["why"] == COPIED
    assert run.machines.find(run.names[0]).record.uuid == run.machines.find(run.names[0]).uuid
    with pytest.raises(RecipeError, match="metadata was copied") as told:
        chosen(run.machines.list(), Choice(names=("copy",)))
    assert "imgpipe machines forget copy" in told.value.hint
    assert "copy" not in {one.name for one in chosen(run.machines.list(), Choice(fleet=run.wanted[0].fleet))}


def test_a_copy_that_is_handed_to_removal_costs_nobody_a_disk(run):
    before = dict(run.pool.volumes)
    copy_of(run, run.names[0], "copy")
    with pytest.raises(RecipeError, match="not imgpipe's"):
        bring_up.remove([run.machines.find("copy")], run.shop)
    believing = dataclasses.replace(run.machines.find("copy"), record=run.machines.find(run.names[0]).record)
    with pytest.raises(RecipeError, match="not made by imgpipe|not imgpipe's"):
        remove_machine(believing, run.machines, run.shop.pool_of, survey((), run.machines, run.shop.pool_of))
    assert run.pool.volumes == {**before, "copy.qcow2": "a copy"}
    assert "copy" in run.machines.known


def test_a_machine_that_took_the_name_since_is_not_removed(run):
    name, before = run.names[0], dict(run.pool.volumes)
    earlier = dataclasses.replace(run.machines.find(name), uuid=str(uuid.uuid4()))
    with pytest.raises(RecipeError, match="not made by imgpipe"):
        remove_machine(earlier, run.machines, run.shop.pool_of, survey((), run.machines, run.shop.pool_of))
    assert run.pool.volumes == before
    assert name in run.machines.running


def test_a_machine_whose_definition_another_daemon_has_as_well_keeps_its_disk(run):
    machine = run.machines.find(run.names[0])
    disk = str(run.pool.file(machine.record.disk))
    there = DiskUse(owner=machine.name, chain=(disk,), ended=True)
    run.machines.elsewhere = (DiskUses(uri="qemu:///session", local=True, uses=(there,)),)
    before = dict(run.pool.volumes)
    with pytest.raises(RecipeError, match=f"needed by '{machine.name}' of 'qemu:///session'; nothing was removed"):
        bring_up.remove([machine], run.shop)
    assert run.pool.volumes == before
    run.machines.elsewhere = (DiskUses(uri="qemu:///session", local=True),)
    bring_up.remove([machine], run.shop)
    assert machine.record.disk not in run.pool.volumes


def test_a_record_without_a_uuid_is_not_believed_where_the_disk_is_below_anothers(run):
    name = run.names[0]
    without_uuid(run, name)
    first = run.machines.find(name)
    assert believed([first])[0].record
    above = dataclasses.replace(first, name="other", disk="/pool/top.qcow2", backing=(first.disk,), record=None)
    assert believed([first, above])[0].stranger == UNCERTAIN
    # Nor where it has no such disk at all.
    without = dataclasses.replace(first, disk="/pool/other.qcow2")
    assert believed([without])[0].stranger == UNCERTAIN


def test_a_record_of_an_earlier_version_is_believed_where_its_disk_is_named_by_one_machine(run):
    name = run.names[0]
    without_uuid(run, name)
    copy_of(run, name, "copy")
    assert run.machines.find(name).record.uuid == ""
    assert run.machines.find("copy").stranger == UNCERTAIN
    with_disk(run, "copy", f"/pool/{name}.qcow2")
    assert [run.machines.find(one).stranger for one in (name, "copy")] == [UNCERTAIN, UNCERTAIN]


def test_a_disk_that_another_definition_names_stays_with_its_machine(run):
    name = run.names[0]
    copy_of(run, name, "thief", disk=f"/pool/{name}.qcow2")
    with pytest.raises(RecipeError, match="is needed by the machine 'thief'"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert f"{name}.qcow2" in run.pool.volumes
    assert name in run.machines.known
    assert name in run.machines.running


def test_a_disk_that_another_definition_has_as_a_volume_stays(run):
    name = run.names[0]
    copy_of(run, name, "thief")
    domain = ET.fromstring(run.machines.known["thief"])
    source = domain.find("devices/disk[@device='disk']/source")
    source.clear()
    source.set("pool", "imgpipe")
    source.set("volume", f"{name}.qcow2")
    run.machines.known["thief"] = ET.tostring(domain, encoding="unicode")
    with pytest.raises(RecipeError, match="is needed by the machine 'thief'"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert f"{name}.qcow2" in run.pool.volumes


def test_a_disk_below_somebody_elses_overlay_stays(run):
    name = run.names[0]
    run.pool.volumes["theirs.qcow2"] = "overlay"
    run.pool.backings["theirs.qcow2"] = Path(f"/pool/{name}.qcow2")
    with pytest.raises(RecipeError, match=r"is needed by the volume 'theirs\.qcow2'"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert f"{name}.qcow2" in run.pool.volumes


def test_without_an_answer_for_every_definition_nothing_is_deleted(run):
    before = dict(run.pool.volumes)
    run.fakes.failing.add(("named files",))
    with pytest.raises(HostError, match="no named files"):
        bring_up.remove(run.machines.list(), run.shop)
    assert run.pool.volumes == before
    assert set(run.machines.known) == set(run.names)


def test_a_snapshots_overlay_goes_with_its_machine_and_the_chain_ends_at_our_disk(run):
    name = run.names[0]
    with_disk(run, name, f"/pool/{name}.snap")
    run.pool.volumes |= {f"{name}.snap": "newest", "below.qcow2": "somebody's"}
    run.pool.backings |= {
        f"{name}.snap": Path(f"/pool/{name}.qcow2"),
        f"{name}.qcow2": Path("/pool/below.qcow2"),
    }
    bring_up.remove([run.machines.find(name)], run.shop)
    assert not {f"{name}.snap", f"{name}.qcow2"} & set(run.pool.volumes)
    assert run.pool.volumes["below.qcow2"] == "somebody's"


def left_by_a_snapshot(run, name, snapshot="s1"):
    """Make what a revert or a commit leaves: an overlay on the disk, which only the machine's snapshot names."""
    run.pool.volumes[f"{name}.{snapshot}"] = "overlay"
    run.pool.backings[f"{name}.{snapshot}"] = Path(f"/pool/{name}.qcow2")
    run.machines.snapshots[name] = [*run.machines.snapshots.get(name, ()), f"/pool/{name}.{snapshot}"]


def test_what_a_snapshot_left_above_the_disk_goes_with_its_machine(run):
    name = run.names[0]
    left_by_a_snapshot(run, name)
    left_by_a_snapshot(run, name, "s2")
    run.pool.backings[f"{name}.s2"] = Path(f"/pool/{name}.s1")
    bring_up.remove([run.machines.find(name)], run.shop)
    assert not {f"{name}.s1", f"{name}.s2", f"{name}.qcow2"} & set(run.pool.volumes)


def test_what_a_snapshot_names_and_is_not_above_the_disk_stays(run):
    name = run.names[0]
    run.pool.volumes |= {"theirs.qcow2": "somebody's", "alone.qcow2": "somebody's"}
    run.pool.backings["theirs.qcow2"] = Path("/pool/alone.qcow2")
    run.machines.snapshots[name] = ["/pool/theirs.qcow2", "/elsewhere/theirs.qcow2", "/pool/gone.s1"]
    bring_up.remove([run.machines.find(name)], run.shop)
    assert {"theirs.qcow2", "alone.qcow2"} <= set(run.pool.volumes)
    assert f"{name}.qcow2" not in run.pool.volumes


def test_an_overlay_that_no_snapshot_of_the_machine_made_keeps_its_disk(run):
    name = run.names[0]
    left_by_a_snapshot(run, name)
    del run.machines.snapshots[name]
    with pytest.raises(RecipeError, match=rf"is needed by the volume '{name}\.s1'"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert {f"{name}.s1", f"{name}.qcow2"} <= set(run.pool.volumes)


@pytest.mark.parametrize("above", ["machine", "volume"])
def test_what_stands_on_a_snapshots_overlay_keeps_it_all(run, above):
    name = run.names[0]
    left_by_a_snapshot(run, name)
    run.pool.volumes["theirs.qcow2"] = "overlay"
    run.pool.backings["theirs.qcow2"] = Path(f"/pool/{name}.s1")
    if above == "machine":
        copy_of(run, name, "thief", disk=f"/pool/{name}.s1")
    with pytest.raises(RecipeError, match="is needed by the (machine 'thief'|volume 'theirs)"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert {f"{name}.s1", f"{name}.qcow2", "theirs.qcow2"} <= set(run.pool.volumes)


def test_the_overlays_above_a_machines_disk_are_named_in_the_order_of_people(run):
    name = run.names[0]
    with_disk(run, name, f"/pool/{name}.s10")
    remembered = [f"/pool/{name}.s9", f"/pool/{name}.qcow2", "/elsewhere/s1"]
    assert overlays(run.machines.find(name), remembered) == (f"{name}.s9", f"{name}.s10")


def test_what_the_definition_does_not_have_stays_and_is_told(run):
    name = run.names[0]
    with_disk(run, name, "/pool/other.qcow2")
    run.pool.volumes |= {"other.qcow2": "newest", "below.qcow2": "somebody's", "other-seed.iso": "somebody's"}
    run.pool.backings["other.qcow2"] = Path("/pool/below.qcow2")
    record = dataclasses.replace(run.machines.find(name).record, seed="other-seed.iso")
    run.machines.set_record(name, record)
    bring_up.remove([run.machines.find(name)], run.shop)
    assert {f"{name}.qcow2", "below.qcow2", "other-seed.iso"} <= set(run.pool.volumes)
    assert "other.qcow2" not in run.pool.volumes
    assert any(f"--leftover imgpipe/{name}.qcow2" in getattr(note, "text", "") for note in run.heard)


def test_a_disk_out_of_the_pool_is_not_removed_nor_its_machine(run):
    name = run.names[0]
    with_disk(run, name, "/elsewhere/newest.qcow2")
    with pytest.raises(RecipeError, match="no volume of the pool") as told:
        bring_up.remove([run.machines.find(name)], run.shop)
    assert "blockcommit" in told.value.hint
    assert name in run.machines.running
    assert f"{name}.qcow2" in run.pool.volumes


def test_a_machine_ends_before_its_disk_is_deleted(run):
    assert run.machines.running == set(run.names)
    bring_up.remove(run.machines.list(), run.shop)
    assert not run.pool.volumes


def test_uefi_variables_that_another_machine_has_are_kept(run):
    for name in run.names[:2]:
        domain = ET.fromstring(run.machines.known[name])
        ET.SubElement(domain.find("os"), "nvram").text = "/nvram/shared_VARS.fd"
        run.machines.known[name] = ET.tostring(domain, encoding="unicode")
    bring_up.remove([run.machines.find(run.names[0])], run.shop)
    assert run.machines.kept_nvram
    bring_up.remove([run.machines.find(run.names[1])], run.shop)
    assert not run.machines.kept_nvram


def test_uefi_variables_that_another_machine_has_in_any_other_way_are_kept(run):
    first, second, _ = run.names
    domain = ET.fromstring(run.machines.known[first])
    ET.SubElement(domain.find("os"), "nvram").text = "/nvram/shared_VARS.fd"
    run.machines.known[first] = ET.tostring(domain, encoding="unicode")
    domain = ET.fromstring(run.machines.known[second])
    ET.SubElement(domain.find("os"), "loader").text = "/nvram/shared_VARS.fd"
    run.machines.known[second] = ET.tostring(domain, encoding="unicode")
    bring_up.remove([run.machines.find(first)], run.shop)
    assert run.machines.kept_nvram


def test_growth_acts_on_the_disk_that_the_definition_has(run):
    name = run.names[0]
    with_disk(run, name, f"/pool/{name}.snap")
    run.machines.running.clear()
    there = dataclasses.replace(run.machines.find(name), virtual_size=15 * GIB)
    larger = dataclasses.replace(run.wanted[0], machine=Machine(cpus=2, memory=2 * GIB, disk=40 * GIB))
    bring_up.apply([change_of(larger, there)], run.shop)
    assert ("grow", f"{name}.snap", 40 * GIB) in run.fakes.calls
    elsewhere = dataclasses.replace(there, disk="/elsewhere/top.qcow2")
    with pytest.raises(RecipeError, match="it was not changed"):
        bring_up.apply([change_of(larger, elsewhere)], run.shop)


@pytest.mark.parametrize("same_uuid", [False, True])
def test_a_stranger_who_takes_the_name_meanwhile_keeps_machine_disk_and_seed(tmp_path, same_uuid):
    run = Run(tmp_path)
    name = run.names[0]

    def defined(xml):
        if ET.fromstring(xml).findtext("name") == name:
            copied = xml if same_uuid else xml.replace(run.wanted[0].uuid, str(uuid.uuid4()))
            run.machines.known[name] = copied
            run.machines.running.add(name)
            run.pool.volumes |= {f"{name}.qcow2": "theirs", f"{name}-seed.iso": "theirs"}
            raise HostError("domain already exists with another uuid")
        run.machines.known[ET.fromstring(xml).findtext("name")] = xml

    run.machines.define = defined
    with pytest.raises(HostError, match="already exists"):
        run.apply()
    assert set(run.machines.known) == {name}
    assert run.machines.running == {name}
    assert run.pool.volumes == {f"{name}.qcow2": "theirs", f"{name}-seed.iso": "theirs"}


def test_a_machine_that_somebody_defined_in_the_place_of_a_begun_one_stays(run):
    name = run.names[0]
    record = run.machines.find(name).record
    run.machines.known[name] = run.machines.known[name].replace(record.uuid, str(uuid.uuid4()))
    run.pool.volumes["ours.qcow2"] = "half"
    discard(name, record, ("ours.qcow2",), run.machines, run.pool)
    assert name in run.machines.known
    assert name in run.machines.running
    assert "ours.qcow2" not in run.pool.volumes
    assert f"{name}.qcow2" in run.pool.volumes


def test_a_volume_that_somebody_makes_meanwhile_is_not_undone(tmp_path):
    run = Run(tmp_path)
    name = run.names[0]
    base = run.pool.base

    def slow(*words):
        run.pool.volumes[f"{name}.qcow2"] = "theirs"
        return base(*words)

    run.pool.base = slow
    with pytest.raises(HostError, match="is there already"):
        bring_up.apply([Make(machine=run.wanted[0])], run.shop)
    assert run.pool.volumes == {f"{name}.qcow2": "theirs"}
    assert not run.machines.known


def test_a_leftover_volume_goes_only_if_nobody_needs_it(run):
    name = run.names[0]
    with pytest.raises(RecipeError, match=f"needed by the machine '{name}'"):
        remove_leftover(f"{name}.qcow2", run.machines, run.pool)
    del run.machines.known[name]
    run.machines.running.discard(name)
    remove_leftover(f"{name}.qcow2", run.machines, run.pool)
    assert f"{name}.qcow2" not in run.pool.volumes
    with pytest.raises(RecipeError, match="has no volume"):
        remove_leftover(f"{name}.qcow2", run.machines, run.pool)


def test_a_plan_says_what_became_of_a_machine_and_which_command_leads_out():
    before = plan(fleet(count=1)).machines[0]
    renamed = existing(before, name="new")
    with pytest.raises(RecipeError) as told:
        plan(fleet(count=1), with_machines(renamed))
    assert any("was renamed to 'new'" in line and "machines forget new" in line for line in told.value.details)
    gone = existing(before, disk_missing=True)
    assert state(gone) == "disk missing"
    assert values(gone)["disk_missing"] is True
    with pytest.raises(RecipeError) as told:
        plan(fleet(count=1), with_machines(gone))
    assert any("is missing" in line and f"machines destroy {before.name}" in line for line in told.value.details)
    left = (f"{before.name}.qcow2", f"{before.name}-seed.iso")
    lost = dataclasses.replace(FACTS, volumes=frozenset(left))
    with pytest.raises(RecipeError) as told:
        plan(fleet(count=1), lost)
    for volume in left:
        assert any(f"destroy --leftover {FACTS.pool}/{volume}'" in line for line in told.value.details)


def test_a_copy_keeps_its_record_out_of_the_hosts_list(run):
    copy_of(run, run.names[0], "copy")
    assert [one.name for one in believed(run.machines.list()) if one.record] == run.names


def test_a_chain_through_machines_that_go_too_still_leads_to_whoever_stays(run):
    first, second, _ = run.names
    run.pool.backings[f"{second}.qcow2"] = Path(f"/pool/{first}.qcow2")
    run.pool.volumes["theirs.qcow2"] = "overlay"
    run.pool.backings["theirs.qcow2"] = Path(f"/pool/{second}.qcow2")
    with pytest.raises(RecipeError, match=r"is needed by the volume 'theirs\.qcow2'"):
        bring_up.remove(run.machines.list(), run.shop)
    assert {f"{first}.qcow2", f"{second}.qcow2"} <= set(run.pool.volumes)
    with pytest.raises(RecipeError, match=f"is needed by the machine '{second}'|is needed by the volume"):
        bring_up.remove([run.machines.find(first)], run.shop)
    del run.pool.volumes["theirs.qcow2"], run.pool.backings["theirs.qcow2"]
    bring_up.remove(run.machines.list(), run.shop)
    assert not run.pool.volumes


def test_a_chain_through_a_disk_that_goes_and_is_also_anothers_leads_to_the_other(run):
    first, second, _ = run.names
    run.pool.backings[f"{second}.qcow2"] = Path(f"/pool/{first}.qcow2")
    copy_of(run, second, "thief", disk=f"/pool/{second}.qcow2")
    with pytest.raises(RecipeError, match="is needed by the machine 'thief'"):
        bring_up.remove([run.machines.find(first), run.machines.find(second)], run.shop)
    assert {f"{first}.qcow2", f"{second}.qcow2"} <= set(run.pool.volumes)


def test_a_disk_that_a_lost_qemu_still_uses_stays_with_its_machine(run):
    name, before = run.names[0], dict(run.pool.volumes)
    run.pool.lost.add(f"{name}.qcow2")
    with pytest.raises(HostError, match="in use"):
        bring_up.remove([run.machines.find(name)], run.shop)
    assert run.pool.volumes == before
    assert run.machines.find(name).record.complete
    del run.machines.known[name]
    with pytest.raises(HostError, match="in use"):
        remove_leftover(f"{name}.qcow2", run.machines, run.pool)
    assert run.pool.volumes == before


def test_what_a_hint_says_can_be_typed_whatever_a_machine_is_called(run):
    copy_of(run, run.names[0], "a $(reboot)")
    with pytest.raises(RecipeError) as told:
        bring_up.remove([run.machines.find("a $(reboot)")], run.shop)
    words = shlex.split(re.search("'(virsh undefine .*)', and", told.value.hint)[1])
    assert words == ["virsh", "undefine", "--nvram", "a $(reboot)"]
