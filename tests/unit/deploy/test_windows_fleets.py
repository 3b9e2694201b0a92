"""Fleets of systems that are told who they are by files on their disks, or take no password's hash."""

from __future__ import annotations

import dataclasses

import pytest
from sample_fleets import FACTS, HASH, TEMPLATE, WINDOWS, existing, fleet, plan

from imgpipe.adapters.batch_guest import Refused
from imgpipe.adapters.iso import open_iso
from imgpipe.deploy import injection as module
from imgpipe.deploy.accounts import accounts_of, plain_places
from imgpipe.deploy.injection import injection
from imgpipe.deploy.making import carried_of, iso_of
from imgpipe.errors import GuestError, RecipeError
from imgpipe.identity.carriage import Carried
from imgpipe.identity.digest import identity_digest
from imgpipe.offline_edits import WriteFile
from imgpipe.os_family import Account, Personalise
from imgpipe.passwords import Vault
from imgpipe.self_sealing import SystemVolume

VOLUME = SystemVolume(holds=("/SOFTWARE",))
ACCOUNTS = {"web/root": Account(name="root", password_hash=HASH, password="Good-pass-1")}


def own_files(identity, personalise):
    """Refuse the second machine, twice."""
    if identity.hostname.startswith("web-02"):
        raise RecipeError("No.", details=["its name is odd", "its password is weak"])
    return (WriteFile(path="/who", content=f"{identity.hostname} {identity.password} {personalise.settings}"),)


PERSONALISE = Personalise(way="unattend", network="none", volume=VOLUME, settings=(("time-zone", "UTC"),))
OWN = dataclasses.replace(WINDOWS, prepared=False, personalise=PERSONALISE, own_files=own_files)


ON_CD = dataclasses.replace(
    OWN, prepared=True, personalise=dataclasses.replace(PERSONALISE, way="unattend-cd", volume=None)
)


def faults(asked, template=OWN):
    with pytest.raises(RecipeError) as caught:
        plan(asked, templates={"rocky9": template}, accounts=ACCOUNTS)
    return caught.value.details


@pytest.mark.parametrize("template", [WINDOWS, ON_CD], ids=["panther", "cd"])
def test_an_image_without_the_proof_of_its_seal_is_no_template(template):
    unproven = dataclasses.replace(template, proven=False, own_files=None)
    (fault,) = faults(fleet(), unproven)
    assert fault.startswith("groups.web.template: nothing proves that 'win2016@20260301.1' was generalized")
    assert "imgpipe build" in fault


@pytest.mark.parametrize("template", [OWN, ON_CD], ids=["panther", "cd"])
def test_what_the_plugin_refuses_is_told_of_every_machine_before_anything_is_made(template):
    assert faults(fleet(), template) == ("web-02: its name is odd", "web-02: its password is weak")


@pytest.mark.parametrize("template", [OWN, ON_CD], ids=["panther", "cd"])
def test_what_such_a_clone_cannot_be_given_is_told_once_for_a_group(template):
    told = faults(fleet(count=1, users=[{"name": "ann"}]), template)
    assert told == ("groups.web: users, files and keys cannot be given to clones of 'win2016'",)


def test_the_password_reaches_the_identity_and_neither_its_name_nor_what_is_shown():
    (machine,) = plan(fleet(count=1), templates={"rocky9": OWN}, accounts=ACCOUNTS).machines
    assert machine.identity.password == "Good-pass-1"
    assert "Good-pass-1" not in repr(machine)
    other = dataclasses.replace(machine.identity, password="Other-pass-1")
    assert identity_digest(other) == identity_digest(machine.identity)
    hashed = dataclasses.replace(machine.identity, password_hash=f"{HASH}x")
    assert identity_digest(hashed) != identity_digest(machine.identity)


def test_only_groups_of_such_a_system_keep_the_password_as_it_was_given():
    asked = fleet(count=1, root={"password": {"env": "PW"}})
    vault = Vault(environ={"PW": "Good-pass-1"}, salt=b"x" * 32)
    assert plain_places(asked, {"rocky9": OWN}) == {"web"}
    assert plain_places(asked, {"rocky9": TEMPLATE}) == frozenset()
    kept = accounts_of(asked, vault, plain_places(asked, {"rocky9": OWN}))["web/root"]
    assert (kept.password, kept.password_hash[:3]) == ("Good-pass-1", "$6$")
    assert "Good-pass-1" not in repr(kept)
    assert accounts_of(asked, vault)["web/root"].password == ""


def test_a_hash_is_refused_where_the_password_itself_is_needed():
    asked = fleet(count=1, root={"password": {"env": "PW"}})
    with pytest.raises(RecipeError) as caught:
        accounts_of(asked, Vault(environ={"PW": HASH}, salt=b"x" * 32), {"web"})
    assert "needs the password itself" in caught.value.details[0]


@pytest.mark.parametrize("template", [OWN, ON_CD], ids=["panther", "cd"])
def test_a_machine_that_listens_at_its_first_boot_alone_cannot_be_told_anew(template):
    asked = fleet(count=1, nics=[{"bridge": "br1", "fixed": {"web-01": "10.100.1.5/24"}}])
    first = plan(asked, templates={"rocky9": template}, accounts=ACCOUNTS)
    there = dataclasses.replace(FACTS, machines=(existing(first.machines[0]),), volumes=frozenset({"web-01.qcow2"}))
    assert plan(asked, there, templates={"rocky9": template}, accounts=ACCOUNTS).is_done
    moved = fleet(count=1, nics=[{"bridge": "br1", "fixed": {"web-01": "10.100.1.6/24"}}])
    with pytest.raises(RecipeError) as caught:
        plan(moved, there, templates={"rocky9": template}, accounts=ACCOUNTS)
    (fault,) = caught.value.details
    assert "10.100.1.6/24 instead of 10.100.1.5/24" in fault
    assert "'imgpipe machines destroy web-01'" in fault
    larger = fleet(count=1, cpus=4, nics=[{"bridge": "br1", "fixed": {"web-01": "10.100.1.5/24"}}])
    assert plan(larger, there, templates={"rocky9": template}, accounts=ACCOUNTS).changes


@pytest.fixture
def injected(monkeypatch):
    """Record what is asked of the appliance; the disk called 'bad' is refused."""
    calls = []

    def inject(disks, accelerator, log, *, claims=(), volume=None):
        calls.append(
            (
                [(path.name, [getattr(step, "path", "") for step in steps]) for path, steps in disks],
                bool(claims),
                volume,
            )
        )
        return tuple(Refused(path=path, reason="No.") for path, _ in disks if path.stem == "bad")

    monkeypatch.setattr(module, "inject", inject)
    return calls


def machine_of(template, name="web-01"):
    (machine,) = plan(fleet(count=1), FACTS).machines
    return dataclasses.replace(machine, name=name, template=template)


def test_files_of_the_plugins_own_go_to_the_volume_that_the_template_names(injected, tmp_path):
    disks = [(machine_of(OWN), tmp_path / "a"), (machine_of(OWN), tmp_path / "b")]
    injection(lambda: "tcg", tmp_path / "log")(disks)
    assert injected[1:] == [([("a", ["/who"]), ("b", ["/who"])], False, VOLUME)]


def test_a_foreign_linux_is_told_as_before(injected, tmp_path):
    foreign = dataclasses.replace(TEMPLATE, prepared=False)
    injection(lambda: "tcg", tmp_path / "log")([(machine_of(foreign), tmp_path / "a")])
    ((disks, claims, volume),) = injected
    assert ("/etc/hostname" in disks[0][1], claims, volume) == (True, True, None)


def test_disks_that_were_refused_are_told_by_the_machines_names(injected, tmp_path):
    disks = [(machine_of(OWN), tmp_path / "a"), (machine_of(OWN, "web-07"), tmp_path / "bad")]
    with pytest.raises(GuestError, match="1 of 2 disks") as caught:
        injection(lambda: "tcg", tmp_path / "log")(disks)
    assert caught.value.details == ("web-07: No.",)


def test_without_the_plugin_nothing_is_written(injected, tmp_path):
    alone = dataclasses.replace(OWN, own_files=None)
    with pytest.raises(GuestError, match="No plugin can tell") as caught:
        injection(lambda: "tcg", tmp_path / "log")([(machine_of(alone), tmp_path / "a")])
    assert "'win2016'" in caught.value.hint
    assert injected == []


def test_computer_names_must_differ_where_windows_cuts_them_off_whatever_carries_them():
    asked = fleet(count=2, pattern="a-very-long-name-{n}")
    for template in (OWN, ON_CD):
        (fault,) = faults(asked, dataclasses.replace(template, own_files=lambda *_: ()))
        assert "computer name (15 characters count) A-VERY-LONG-NAM" in fault


def test_the_plugins_file_is_in_the_root_of_the_cd_and_in_no_definition(tmp_path):
    carried, path = carried_of(machine_of(ON_CD)), tmp_path / "seed.iso"
    path.write_bytes(iso_of(carried))
    with open_iso(path) as iso:
        assert iso.read("who").decode().startswith("web-01")
    assert carried.oem_strings == ()
    assert carried_of(machine_of(OWN)) == Carried()


def test_without_the_plugin_no_cd_is_made():
    with pytest.raises(GuestError, match="No plugin can tell"):
        carried_of(machine_of(dataclasses.replace(ON_CD, own_files=None)))


def test_that_the_password_is_on_a_cd_is_said_and_nothing_of_edited_disks():
    login, note = plan(fleet(count=1), templates={"rocky9": ON_CD}, accounts=ACCOUNTS).notes
    assert login == "Log in to 'web-01': the administrator by password."
    assert note.startswith("'win2016@20260301.1': new machines are told who they are by a CD")
    away = dataclasses.replace(FACTS, local=False)
    assert plan(fleet(count=1), away, templates={"rocky9": ON_CD}, accounts=ACCOUNTS).new


def test_windows_gets_no_second_way_out():
    nics = [{"bridge": "br1"}, {"bridge": "br2", "addresses": "10.100.1.10-10.100.1.19/24", "gateway": "10.100.1.1"}]
    with pytest.raises(RecipeError) as caught:
        plan(fleet(template="win2016", nics=nics), templates={"win2016": OWN}, accounts=ACCOUNTS)
    (told,) = [fault for fault in caught.value.details if "DHCP" in fault]
    assert told.startswith("groups.web.nics.0: asks by DHCP beside a NIC with a gateway, and Windows cannot")
