import dataclasses

import pytest
from sample_fleets import (
    FACTS,
    HASH,
    KEY,
    TEMPLATE,
    WINDOWS,
    after,
    existing,
    fleet,
    plan,
    stranger,
    with_machines,
)

from imgpipe.deploy.changes import Make
from imgpipe.deploy.existing import ExistingNic, Proven
from imgpipe.deploy.room import base_volume
from imgpipe.errors import RecipeError
from imgpipe.logins import Login
from imgpipe.os_family import Account, Personalise
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB, MIB


def faults(asked, facts=FACTS, **more):
    with pytest.raises(RecipeError) as caught:
        plan(asked, facts, **more)
    return caught.value.details


def addresses(done):
    return [str(machine.identity.nics[0].address) for machine in done.machines]


def test_a_new_fleet_is_all_made_with_addresses_in_order():
    done = plan(fleet())
    assert [type(change) for change in done.changes] == [Make] * 3
    assert [machine.name for machine in done.machines] == ["web-01", "web-02", "web-03"]
    assert addresses(done) == ["10.100.1.10/24", "10.100.1.11/24", "10.100.1.12/24"]


def test_a_machine_is_what_its_template_is_unless_the_fleet_says_otherwise():
    plain, sized = (plan(fleet(count=1, **more)).machines[0] for more in ({}, {"cpus": 8, "disk": "40 GiB"}))
    assert plain.machine == TEMPLATE.machine
    assert (sized.machine.cpus, sized.machine.memory, sized.machine.disk) == (8, 2 * GIB, 40 * GIB)
    assert (plain.cache, plain.linked, plain.start, plain.autostart) == ("none", True, True, False)


def test_the_same_fleet_gives_the_same_machines_and_another_name_others():
    first, again, other = plan(fleet()), plan(fleet()), plan(fleet().model_copy(update={"name": "shop2"}))
    assert first == again
    for mine, theirs in zip(first.machines, other.machines, strict=True):
        assert mine.uuid != theirs.uuid
        assert mine.identity.nics[0].mac != theirs.identity.nics[0].mac


def test_no_two_of_a_thousand_machines_share_a_mac_or_a_uuid():
    nics = [{"bridge": "br1"}, {"bridge": "br2"}]
    done = plan(fleet(count=1000, nics=nics), dataclasses.replace(FACTS, memory_free=4096 * GIB))
    macs = [nic.mac for machine in done.machines for nic in machine.identity.nics]
    assert len(set(macs)) == 2000
    assert len({machine.uuid for machine in done.machines}) == 1000


def test_a_mac_that_somebody_has_is_not_taken():
    mine = plan(fleet(count=1)).machines[0].identity.nics[0].mac
    taken = stranger("vm001", nics=(ExistingNic(kind="bridge", source="br1", mac=mine),))
    assert plan(fleet(count=1), with_machines(taken)).machines[0].identity.nics[0].mac != mine


def test_who_may_log_in_is_part_of_the_identity_and_not_of_what_is_shown():
    user = {"name": "ann", "keys": ["ssh-ed25519 AAAA ann"], "groups": ["wheel"]}
    done = plan(fleet(count=1, users=[user], root={"password": {"env": "PW"}}, domain="shop.example"))
    identity = done.machines[0].identity
    assert (identity.hostname, identity.password_hash) == ("web-01.shop.example", HASH)
    assert [(one.name, one.groups, one.keys) for one in identity.users] == [
        ("ann", ("wheel",), ("ssh-ed25519 AAAA ann",))
    ]
    assert HASH not in repr(done)


def test_files_have_the_mode_that_their_octal_digits_mean():
    file = {"path": "/etc/token", "text": "x", "mode": "0640", "owner": "root:ann", "secret": True}
    made = plan(fleet(count=1, files=[file])).machines[0].identity.files[0]
    assert (made.path, made.mode, made.owner, made.secret) == ("/etc/token", 0o640, "root:ann", True)


def test_a_fixed_address_is_given_to_nobody_else():
    nic = {"bridge": "br1", "addresses": "10.100.1.10-10.100.1.19/24", "fixed": {"web-03": "10.100.1.10/24"}}
    assert addresses(plan(fleet(nics=[nic]))) == ["10.100.1.11/24", "10.100.1.12/24", "10.100.1.10/24"]


def test_the_hosts_own_addresses_are_skipped_in_a_range_and_refused_where_fixed():
    nic = {"bridge": "br2", "addresses": "10.100.1.1-10.100.1.19/24"}
    assert addresses(plan(fleet(nics=[nic]))) == ["10.100.1.2/24", "10.100.1.3/24", "10.100.1.4/24"]
    own = "the address 10.100.1.1 is this host's own, on 'br2'"
    assert faults(fleet(nics=[nic | {"fixed": {"web-02": "10.100.1.1/24"}}])) == (f"web-02: {own}",)
    # A machine that was given it before this was looked at keeps it, and its owner is told.
    there = existing(plan(fleet(count=1, nics=[nic])).machines[0], addresses=("10.100.1.1/24",))
    assert faults(fleet(count=1, nics=[nic]), with_machines(there)) == (f"web-01: {own}",)


def test_a_host_whose_addresses_cannot_be_asked_is_a_warning():
    facts = dataclasses.replace(FACTS, addresses=None)
    warning = "Whether an address is the host's own cannot be asked; leave those of its bridges and NICs out."
    assert plan(fleet(), facts).warnings == (warning,)
    assert plan(fleet(nics=[{"bridge": "br1"}]), facts).warnings == ()


def test_a_range_that_is_used_up_is_told_with_whose_its_addresses_are():
    nic = {"bridge": "br2", "addresses": "10.100.1.1-10.100.1.5/24", "gateway": "10.100.1.2", "dns": ["10.100.1.3"]}
    (told,) = faults(fleet(nics=[nic]))
    assert told == (
        "groups.web.nics.0.addresses: no address is left for 'web-03'; 10.100.1.1 is this host's own, on 'br2'; "
        "10.100.1.2 is the gateway's; 10.100.1.3 is a DNS server's; 10.100.1.4 is that of 'web-01'; "
        "10.100.1.5 is that of 'web-02'"
    )


def test_what_is_there_keeps_its_address_when_a_name_comes_in_the_middle():
    before = plan(named("ann", "bob"))
    later = plan(named("ann", "carl", "bob"), after(before))
    assert addresses(later) == ["10.100.1.10/24", "10.100.1.12/24", "10.100.1.11/24"]


def named(*names):
    asked = fleet()
    web = asked.groups["web"].model_copy(update={"count": None, "names": names})
    return asked.model_copy(update={"groups": {"web": web}})


def test_a_machine_keeps_the_macs_and_the_uuid_that_it_has():
    before = plan(fleet(count=1)).machines[0]
    changed = existing(before, uuid="other", nics=(ExistingNic(kind="bridge", source="br1", mac="52:54:00:00:00:01"),))
    now = plan(fleet(count=1), with_machines(changed)).machines[0]
    assert (now.uuid, now.identity.nics[0].mac) == ("other", "52:54:00:00:00:01")


def test_an_orphan_keeps_its_address_until_it_is_pruned():
    from imgpipe.deploy.resolving import Choices

    nic = {"bridge": "br1", "addresses": "10.100.1.10-10.100.1.12/24"}
    facts = after(plan(fleet(nics=[nic])))
    renamed = fleet(nics=[nic], first=2)
    assert "no address is left for 'web-04'" in faults(renamed, facts)[0]
    assert addresses(plan(renamed, facts, choices=Choices(prune=True)))[-1] == "10.100.1.10/24"


def test_every_fault_is_told_at_once():
    nic = {"bridge": "br9", "addresses": "10.100.1.10-10.100.1.11/24"}
    told = faults(
        fleet(nics=[nic], disk="1 GiB", cache="unsafe", memory="100 GiB", users=[{"name": "ann"}]),
        with_machines(stranger("web-02")),
    )
    keys = {fault.partition(":")[0] for fault in told}
    assert keys == {
        "groups.web.cache",
        "groups.web.nics.0.bridge",
        "groups.web.nics.0.addresses",
        "groups.web.disk",
        "web-01",
        "web-02",
        "web-03",
    }


def test_a_template_that_is_not_there_is_a_fault_and_hides_no_other():
    told = faults(fleet(template="rocky10", nics=[{"network": "lab"}]))
    assert [fault.partition(":")[0] for fault in told] == ["groups.web.nics.0.network", "groups.web.template"]


def test_a_name_that_libvirt_has_is_a_fault_unless_it_is_the_same_machine():
    before = plan(fleet(count=1))
    assert plan(fleet(count=1), after(before)).is_done
    theirs = existing(before.machines[0], fleet="other")
    assert "belongs to the fleet 'other'" in faults(fleet(count=1), with_machines(theirs))[0]
    assert "imgpipe did not make" in faults(fleet(count=1), with_machines(stranger("web-01")))[0]


def test_a_disk_of_that_name_that_nobody_made_for_the_fleet_is_a_fault():
    facts = dataclasses.replace(FACTS, volumes=frozenset({"web-01.qcow2"}))
    assert "web-01: in the pool" in faults(fleet(count=1), facts)[0]


def test_two_groups_may_not_name_the_same_machine():
    told = faults(fleet(fleet_text_with_second_group()))
    assert told[0] == "groups.db: the machine 'web-01' is in the group 'web' too"


def fleet_text_with_second_group():
    from sample_fleets import WEB

    return WEB + '\n[groups.db]\ntemplate = "rocky9"\nnames = ["web-01"]\n'


def test_a_host_name_that_another_machine_has_is_a_fault():
    other = dataclasses.replace(plan(fleet(count=1)).machines[0], name="old-web", fleet="other", uuid="x")
    there = existing(other, nics=(), addresses=())
    assert faults(fleet(count=1), with_machines(there)) == ("web-01: the host name web-01 is also that of 'old-web'",)


def test_an_address_that_another_machine_is_known_to_have_is_passed_over():
    proven = Proven(hostname="db", machine_id="", host_keys=(), macs=(), addresses=("10.100.1.11", "fe80::1"))
    other = dataclasses.replace(plan(fleet(count=1)).machines[0], name="db", fleet="other", uuid="x")
    there = existing(other, nics=(), hostname="db", addresses=("10.100.1.10/24",), proven=proven)
    assert addresses(plan(fleet(count=1), with_machines(there))) == ["10.100.1.12/24"]


def test_a_fixed_address_that_another_machine_has_is_a_fault():
    other = dataclasses.replace(plan(fleet(count=1)).machines[0], name="db", fleet="other", uuid="x")
    there = existing(other, nics=(), hostname="db", addresses=("10.100.1.10/24",))
    nic = {"bridge": "br1", "fixed": {"web-01": "10.100.1.10/24"}}
    assert faults(fleet(count=1, nics=[nic]), with_machines(there)) == (
        "web-01: the address 10.100.1.10 is also that of 'db'",
    )


def test_addresses_behind_qemus_own_nat_clash_with_nobodys():
    proven = Proven(hostname="db", machine_id="", host_keys=(), macs=(), addresses=("10.100.1.10",))
    other = dataclasses.replace(plan(fleet(count=1)).machines[0], name="db", fleet="other", uuid="x")
    nics = (ExistingNic(kind="user", source="", mac="52:54:00:00:00:09"),)
    there = existing(other, nics=nics, hostname="db", addresses=(), proven=proven)
    assert addresses(plan(fleet(count=1), with_machines(there))) == ["10.100.1.10/24"]


def test_strangers_that_quarrel_among_themselves_are_no_fault_of_the_fleet():
    nic = ExistingNic(kind="bridge", source="br1", mac="52:54:00:00:00:09")
    two = (stranger("a", nics=(nic,)), stranger("b", nics=(nic,)))
    assert len(plan(fleet(), with_machines(*two)).machines) == 3


def test_a_long_host_name_is_a_fault():
    domain = ".".join(["a" * 30, "b" * 30])
    assert "more than 64 characters" in faults(fleet(count=1, domain=domain))[0]


def test_names_for_windows_must_differ_in_fifteen_characters():
    told = faults(fleet(template="win2016", count=2, pattern="customer-frontend-{n:02}", nics=[{"bridge": "br1"}]))
    assert "CUSTOMER-FRONTE is also that of 'customer-frontend-02'" in told[0]
    assert len(told) == 1
    assert plan(fleet(count=2, pattern="customer-frontend-{n:02}")).machines


def test_a_name_that_windows_will_shorten_is_noted():
    done = plan(fleet(template="win2016", count=1, pattern="customer-frontend-{n:02}"))
    assert any("first 15 characters" in note for note in done.notes)


def test_windows_takes_no_name_of_digits():
    assert "digits alone" in faults(fleet(template="win2016", count=1, pattern="{n:03}"))[0]


def test_a_full_copy_needs_the_room_of_the_image_and_an_overlay_hardly_any():
    facts = dataclasses.replace(FACTS, pool_free=2 * GIB)
    assert plan(fleet(), facts).machines
    assert faults(fleet(linked=False), facts) == (
        "(disk room): 3 GiB are needed in the pool 'imgpipe' (/data/machines), which has 2 GiB left",
    )


def test_room_is_asked_only_for_what_must_be_made():
    done = plan(fleet(linked=False))
    assert plan(fleet(linked=False), after(done, pool_free=MIB)).is_done


def test_a_pool_elsewhere_needs_room_for_the_template_once():
    remote = dataclasses.replace(FACTS, local=False, pool_free=GIB + 3 * MIB)
    done = plan(fleet(), remote)
    assert [template.reference for template in done.uploads] == ["rocky9@20260301.1"]
    volume = base_volume(done.uploads[0])
    assert volume.startswith("imgpipe-rocky9-20260301.1-")
    there = dataclasses.replace(remote, volumes=frozenset({volume}), pool_free=3 * MIB)
    assert plan(fleet(), there).uploads == ()
    with pytest.raises(RecipeError):
        plan(fleet(), dataclasses.replace(remote, pool_free=GIB))


def test_a_machine_has_at_least_the_memory_that_its_system_needs():
    needy = {"rocky9": dataclasses.replace(TEMPLATE, least_memory=2 * GIB)}
    told = faults(fleet(memory="2047 MiB"), templates=needy)
    assert told == ("groups.web.memory: 2047 MiB is too little; 'rocky9@20260301.1' (rocky9) needs 2 GiB",)
    # What was written is told, and not the whole MiB that it would become.
    assert "groups.web.memory: 5 KiB is too little" in faults(fleet(memory="5 KiB"), templates=needy)[0]
    assert plan(fleet(memory="2 GiB"), templates=needy).machines
    there = with_machines(*(existing(one) for one in plan(fleet(memory="1 GiB")).machines))
    assert plan(fleet(memory="1 GiB"), there, templates=needy).is_done


def test_a_fault_names_a_disk_as_it_was_written():
    assert faults(fleet(disk="15359 MiB")) == (
        "groups.web.disk: 15359 MiB is less than the 15 GiB of 'rocky9@20260301.1'",
    )


def test_memory_for_one_machine_is_a_must_and_for_all_a_warning():
    facts = dataclasses.replace(FACTS, memory_free=5 * GIB)
    assert "6 GiB of memory together" in plan(fleet(), facts).warnings[0]
    assert all("could not start" in fault for fault in faults(fleet(memory="6 GiB"), facts))
    assert plan(fleet(memory="6 GiB", start=False), facts).machines


def test_direct_io_must_be_possible_where_the_cache_mode_needs_it():
    facts = dataclasses.replace(FACTS, direct_io=False)
    assert "cache = 'writeback' with a cache_reason" in faults(fleet(), facts)[0]
    done = plan(fleet(cache="writeback", cache_reason="tmpfs"), facts)
    assert [machine.cache for machine in done.machines] == ["writeback"] * 3
    assert "cache mode 'writeback' instead of 'none': tmpfs" in " ".join(done.notes)


def test_what_cannot_be_asked_is_a_warning():
    warnings = plan(fleet(), dataclasses.replace(FACTS, direct_io=None, bridges=None)).warnings
    assert any("br1" in warning for warning in warnings)
    assert any("direct I/O" in warning for warning in warnings)


def test_a_disk_may_not_be_smaller_than_the_template():
    assert faults(fleet(disk="10 GiB")) == ("groups.web.disk: 10 GiB is less than the 15 GiB of 'rocky9@20260301.1'",)


def test_the_disk_is_never_smaller_than_the_image_whatever_its_recipe_said():
    grown = dataclasses.replace(TEMPLATE, machine=Machine(disk=10 * GIB))
    assert plan(fleet(count=1), templates={"rocky9": grown}).machines[0].machine.disk == 15 * GIB


def test_a_template_that_imgpipe_did_not_prepare_is_noted():
    foreign = dataclasses.replace(TEMPLATE, prepared=False)
    assert any("before its first boot" in note for note in plan(fleet(), templates={"rocky9": foreign}).notes)


def test_what_is_too_large_for_a_seed_is_a_fault_before_anything_is_made():
    files = [{"path": f"/{name}", "text": name * 2**19, "secret": True} for name in "ab"]
    assert "larger than 1 MiB" in faults(fleet(files=files))[0]


def test_sizes_are_whole_mebibytes_so_that_the_next_run_finds_them_equal():
    machine = plan(fleet(count=1, memory=f"{3 * GIB + 1} B", disk=f"{20 * GIB - 1} B")).machines[0].machine
    assert (machine.memory, machine.disk) == (3 * GIB + MIB, 20 * GIB)


def test_a_pool_out_of_reach_takes_only_templates_that_were_prepared():
    foreign = dataclasses.replace(TEMPLATE, prepared=False)
    told = faults(fleet(), dataclasses.replace(FACTS, local=False), templates={"rocky9": foreign})
    assert len(told) == 1
    assert "out of reach" in told[0]


def test_a_cache_mode_that_is_the_policy_needs_no_reason():
    assert {machine.cache for machine in plan(fleet(cache="none")).machines} == {"none"}
    assert faults(fleet(template="win2016", cache="none"))[0] == (
        "groups.web.cache: 'none' departs from the policy, 'writeback'; say why in cache_reason"
    )


def test_windows_gets_its_own_cache_mode_by_policy():
    assert {machine.cache for machine in plan(fleet(template="win2016")).machines} == {WINDOWS.cache} == {"writeback"}


def test_a_disk_that_imgpipe_did_not_build_is_copied_unless_a_link_is_asked_for():
    foreign = dataclasses.replace(TEMPLATE, name="old-web", version="", sha256="", prepared=False)
    templates = {"/srv/old-web.qcow2": foreign}
    copied = plan(fleet(count=1, template="/srv/old-web.qcow2"), templates=templates)
    linked = plan(fleet(count=1, template="/srv/old-web.qcow2", linked=True), templates=templates)
    assert (copied.machines[0].linked, linked.machines[0].linked) == (False, True)
    assert "must not change" in " ".join(linked.warnings)
    assert plan(fleet(count=1, template="/srv/old-web.qcow2"), after(copied), templates=templates).is_done


def test_addresses_for_a_system_without_a_known_network_tool_are_a_fault_and_dhcp_is_none():
    bare = {"rocky9": dataclasses.replace(TEMPLATE, personalise=Personalise(network="none"))}
    assert "no network tool that imgpipe knows" in faults(fleet(), templates=bare)[0]
    assert plan(fleet(nics=[{"bridge": "br1"}]), templates=bare).machines


LOCKED = dataclasses.replace(TEMPLATE, logins=())


def logins(asked, template, accounts=None):
    done = plan(asked, templates={"rocky9": template}, accounts=accounts or {})
    told = [line for line in (*done.notes, *done.warnings) if "log in" in line.lower()]
    assert len(told) == 1
    return told[0]


def test_a_plan_says_where_nobody_can_log_in():
    told = logins(fleet(count=1), LOCKED)
    assert told.startswith("Nobody can log in to 'web-01': give '--key-file' or '--root-password'")
    assert told in plan(fleet(count=1), templates={"rocky9": LOCKED}, accounts={}).warnings


def test_a_plan_says_who_can_log_in():
    keys = fleet(count=2, root={"keys": [KEY]}, users=[{"name": "ann", "keys": [KEY, KEY.replace("8x", "9y")]}])
    assert logins(keys, LOCKED) == "Log in to 'web-01', 'web-02': root by 1 key, ann by 2 keys."
    by_password = {"web/root": Account(name="root", password_hash=HASH)}
    assert logins(fleet(count=1), LOCKED, by_password) == "Log in to 'web-01': root by password."
    # A fleet locks nobody out of what its image lets in.
    within = dataclasses.replace(TEMPLATE, logins=(Login(name="root", password=True), Login(name="bob", keys=1)))
    assert logins(fleet(count=1), within) == "Log in to 'web-01': root by password, bob by 1 key."
    assert logins(fleet(count=1, root={"keys": [KEY]}), within).startswith("Log in to 'web-01': root by password and 1")


def test_what_nobody_knows_of_an_image_is_not_taken_for_locked():
    told = logins(fleet(count=1), TEMPLATE)
    assert told == "Log in to 'web-01': whoever can log in to 'rocky9@20260301.1', which imgpipe cannot tell."
    told = logins(fleet(count=1, root={"keys": [KEY]}), TEMPLATE)
    assert told == "Log in to 'web-01': root by 1 key, and whoever can log in to 'rocky9@20260301.1'."
