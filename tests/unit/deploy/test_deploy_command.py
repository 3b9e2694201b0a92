"""The commands `deploy` and `machines`, with libvirt stood in for."""

import dataclasses
import json
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_libvirt import FakePool, Fakes
from sample_fleets import stranger, with_machines
from stand_in_host import FLEET, changed, reported

from imgpipe.cli import deploy as command
from imgpipe.cli import shop
from imgpipe.cli.deploy_options import complete_template
from imgpipe.deploy.changes import Keep, Make, Modify
from imgpipe.deploy.existing import ExistingNic, Proven
from imgpipe.deploy.host_keys import fingerprint
from imgpipe.deploy.ownership import COPIED
from imgpipe.domain_features import NEWEST
from imgpipe.errors import GuestError, HostError, RecipeError
from imgpipe.settings import Settings
from imgpipe.sizes import GIB


def test_a_plan_is_shown_and_nothing_is_done(run, host, shop_toml):
    text = run("deploy", shop_toml, "--plan").stdout
    assert "+ web-01  10.100.1.10/24 on br1, MAC to be minted" in text
    told = json.loads(run("deploy", shop_toml, "--plan", "--json").stdout)
    assert [(change["action"], change["name"]) for change in told["changes"]] == [
        ("make", "web-01"),
        ("make", "web-02"),
    ]
    assert host.applied == []


def test_a_plan_has_no_macs_of_new_machines_and_the_deploy_mints_one_id_for_all(run, host, shop_toml):
    told = json.loads(run("deploy", shop_toml, "--plan", "--json").stdout)
    assert {nic["mac"] for change in told["changes"] for nic in change["nics"]} == {None}
    run("deploy", shop_toml)
    (minted,) = {one.record.fleet_id for one in host.facts.machines}
    assert len(minted) == 32
    shop_toml.write_text(FLEET.replace("count = 2", "count = 3"))
    run("deploy", shop_toml)
    assert [one.record.fleet_id for one in host.facts.machines] == [minted] * 3


def test_a_fleet_is_deployed_and_its_machines_are_listed(run, host, shop_toml):
    done = run("deploy", shop_toml)
    assert [type(change) for change in host.applied] == [Make, Make]
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", "web-01", "web-02"]
    assert "shop: 2 to make." in done.stderr


def test_deploying_again_changes_nothing(run, host, shop_toml):
    run("deploy", shop_toml)
    host.applied.clear()
    run("deploy", shop_toml)
    assert [type(change) for change in host.applied] == [Keep, Keep]


def test_options_alone_are_a_fleet(run, host, shop_toml):
    run("deploy", "rocky9", "--name", "app", "--count", 2, "--vcpus", 4, "--bridge", "br1", "--bridge", "br2", "--full")
    machines = [change.machine for change in host.applied]
    assert [(one.name, one.fleet, one.machine.cpus, one.linked) for one in machines] == [
        ("app-01", "app", 4, False),
        ("app-02", "app", 4, False),
    ]
    assert [nic.source for nic in machines[0].identity.nics] == ["br1", "br2"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("rocky9",),
        ("rocky9", "--name", "x", "--import", "disk.qcow2"),
        ("shop.toml", "--name", "x"),
        ("shop.toml", "--no-start"),
        ("shop.toml", "--full"),
        ("no-such-fleet.toml",),
        ("rocky10", "--name", "x"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(run, host, shop_toml, monkeypatch, words):
    monkeypatch.chdir(shop_toml.parent)
    with pytest.raises(RecipeError):
        run("deploy", *words)
    assert host.applied == []


def test_options_beside_a_fleets_file_are_named_as_they_were_written(run, host, shop_toml):
    with pytest.raises(RecipeError) as caught:
        run("deploy", shop_toml, "--no-start", "--full", "--key-file", "a.pub")
    assert caught.value.details == ("--key-file", "--full", "--no-start")


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        ("2048", "needs a unit: '2048 MiB' or '2 GiB'?"),
        ("1 MiB", "1 MiB is too little; 'rocky9@20260301.1' (rocky9) needs 2 GiB"),
    ],
)
def test_no_machine_gets_less_memory_than_was_meant_or_its_system_needs(run, host, shop_toml, memory, told):
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky9", "--name", "app", "--memory", memory)
    assert [fault.partition(": ")[2] for fault in caught.value.details] == [told]
    assert host.applied == []


def test_what_a_fault_says_to_write_is_an_option_where_options_were_given(run, host, shop_toml):
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky9", "--name", "app", "--cache", "unsafe")
    assert caught.value.details == ("--cache: 'unsafe' departs from the policy, 'none'; say why in --cache-reason",)


def test_an_unknown_image_is_told_with_the_nearest_name(run, host, shop_toml):
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rokcy9", "--name", "x")
    assert "rocky9" in caught.value.hint
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky8", "--name", "x")
    assert caught.value.details == ("rocky9",)


def test_a_disk_that_is_named_like_an_image_is_told_with_how_it_is_written(run, host, shop_toml):
    with pytest.raises(RecipeError, match="There is no image 'web.qcow2'") as caught:
        run("deploy", "web.qcow2", "--name", "x")
    assert caught.value.hint == "A disk is given with its folder, './web.qcow2', or as '--import web.qcow2'."


def test_libvirt_is_not_asked_where_all_images_are_missing(run, host, shop_toml, monkeypatch):
    monkeypatch.setattr(shop, "connected", lambda *_, **__: pytest.fail("asked"))
    for more in ((), ("--plan",)):
        with pytest.raises(RecipeError, match="There is no image 'rocky8'"):
            run("deploy", "rocky8", "--name", "x", *more)


def test_an_image_that_lost_its_end_is_not_deployed(run, host, shop_toml, store):
    disk = store.images / "rocky9" / "20260301.1" / "golden.qcow2"
    disk.chmod(0o644)
    disk.write_bytes(b"short")
    with pytest.raises(HostError, match="has 5 bytes"):
        run("deploy", shop_toml)


def test_machines_are_waited_for_when_they_start_or_never_proved_themselves(run, host, shop_toml):
    run("deploy", shop_toml, "--no-wait")
    assert host.waited == []
    run("deploy", shop_toml, "--wait")
    assert host.waited == ["web-01", "web-02"]
    proven = Proven(hostname="web-01", machine_id="", host_keys=(), macs=(), addresses=())
    host.facts = with_machines(*(prove(machine, proven) for machine in host.facts.machines))
    host.waited.clear()
    shop_toml.write_text(FLEET.replace("count = 2", "count = 3"))
    run("deploy", shop_toml, "--wait")
    assert host.waited == ["web-03"]


def prove(machine, proven):
    import dataclasses

    return dataclasses.replace(machine, record=dataclasses.replace(machine.record, proven=proven))


def test_what_must_stop_is_asked_for(run, host, shop_toml):
    run("deploy", shop_toml)
    host.applied.clear()
    shop_toml.write_text(FLEET.replace("count = 2", "count = 2\ncpus = 8"))
    with pytest.raises(RecipeError, match="Nobody can be asked") as caught:
        run("deploy", shop_toml)
    assert "Stop 'web-01', 'web-02'" in caught.value.details[0]
    assert host.applied == []
    run("deploy", shop_toml, "--yes")
    assert [type(change) for change in host.applied] == [Modify, Modify]
    assert host.manner.may_stop


def test_what_somebody_changed_by_hand_is_named_and_asked_for_before_it_is_undone(run, host, shop_toml):
    run("deploy", shop_toml)
    host.applied.clear()
    changed(host, "web-02", memory=8 * GIB)
    with pytest.raises(RecipeError, match="Nobody can be asked") as caught:
        run("deploy", shop_toml)
    assert caught.value.details == ("Undo what was changed by hand of 'web-02'?",)
    assert host.applied == []
    told = run("deploy", shop_toml, "--yes").stderr
    assert "warning: 'web-02': 2 GiB memory instead of 8 GiB (changed by hand)." in told
    assert [type(change) for change in host.applied] == [Keep, Modify]


def test_a_change_may_wait_for_the_next_start(run, host, shop_toml):
    run("deploy", shop_toml)
    host.applied.clear()
    shop_toml.write_text(FLEET.replace("count = 2", "count = 2\ncpus = 8"))
    run("deploy", shop_toml, "--no-stop", "--wait")
    assert [type(change) for change in host.applied] == [Modify, Modify]
    assert not host.manner.may_stop
    assert host.waited == []


def test_what_is_lost_is_asked_for(run, host, shop_toml):
    run("deploy", shop_toml)
    shop_toml.write_text(FLEET.replace("count = 2", "count = 1"))
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("deploy", shop_toml, "--prune")
    run("deploy", shop_toml, "--prune", "--yes")
    assert [machine.name for machine in host.facts.machines] == ["web-01"]


def test_an_inventory_is_all_that_stands_on_stdout(run, host, shop_toml):
    import yaml

    assert set(yaml.safe_load(run("deploy", shop_toml, "--output", "ansible").stdout)) == {"all"}


def test_events_as_json_end_with_the_machines(run, host, shop_toml):
    lines = [json.loads(line) for line in run("deploy", shop_toml, "--json").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["stage_started", "stage_finished", "deployed"]
    assert [machine["name"] for machine in lines[-1]["machines"]] == ["web-01", "web-02"]


def test_the_schema_of_a_fleet_is_json(run):
    assert "groups" in json.loads(run("deploy", "--schema").stdout)["properties"]


def test_the_help_has_every_option_with_words(run):
    text = run("deploy", "--help").stdout
    for option in ("--bridge", "--addresses", "--key-file", "--wait", "--prune", "--parallel", "--output"):
        assert option in text
    assert "imgpipe deploy fleet.toml --plan" in text


def test_images_and_fleets_are_completed(host, shop_toml, monkeypatch):
    monkeypatch.chdir(shop_toml.parent)
    assert complete_template("ro") == ["rocky9", "root"]
    assert complete_template("sh") == ["shop.toml"]
    assert complete_template(f"{shop_toml.parent}/sh") == [str(shop_toml)]


@pytest.fixture
def three(run, host, shop_toml):
    run("deploy", shop_toml)
    run("deploy", "rocky9", "--name", "db")
    host.facts = with_machines(*host.facts.machines, stranger("vm001"))


def test_only_what_imgpipe_made_is_listed(run, three):
    lines = run("machines", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "web-01", "web-02", "db"]
    told = json.loads(run("machines", "list", "--fleet", "shop", "--json").stdout)
    assert [machine["name"] for machine in told] == ["web-01", "web-02"]


def test_a_group_is_started_and_a_fleet_is_stopped(run, host, three):
    run("machines", "start", "--group", "web")
    run("machines", "stop", "--fleet", "db")
    assert sorted(host.said) == [("start", "web-01"), ("start", "web-02"), ("stop", "db")]


def test_guests_that_do_not_shut_down_are_named(run, host, three):
    host.deaf = {"web-02"}
    with pytest.raises(GuestError) as caught:
        run("machines", "stop", "--fleet", "shop")
    assert caught.value.details == ("web-02",)
    run("machines", "stop", "web-02", "--force")
    assert host.said[-1] == ("force_stop", "web-02")


@pytest.mark.parametrize("verb", ["start", "stop", "destroy", "flatten"])
def test_no_command_works_on_everything_by_accident(run, host, three, verb):
    with pytest.raises(RecipeError, match="No machine was named"):
        run("machines", verb)
    assert host.said == []


@pytest.mark.parametrize("words", [("list",), ("list", "--json"), ("destroy", "--yes"), ("stop",), ("start",)])
def test_a_misspelt_fleet_is_no_success(run, host, three, words):
    with pytest.raises(RecipeError, match="No machine here is of a fleet 'shpo'"):
        run("machines", *words, "--fleet", "shpo")
    assert host.said == []


def test_strangers_are_left_alone(run, host, three):
    with pytest.raises(RecipeError, match="was not made by imgpipe"):
        run("machines", "destroy", "vm001", "--yes")


def test_what_is_destroyed_is_asked_for_and_then_gone(run, host, three):
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("machines", "destroy", "--fleet", "shop")
    run("machines", "destroy", "--fleet", "shop", "--yes")
    assert {machine.name for machine in host.facts.machines} == {"vm001", "db"}
    assert host.pool == "imgpipe"


def test_what_snapshots_made_of_a_machine_is_named_before_it_goes(run, host, three):
    folder = Path(host.find("web-01").disk).parent
    host.snapshots["web-01"] = [f"{folder}/web-01.s1", f"{folder}/web-01.gone", f"{folder}/web-01.qcow2"]
    said = run("machines", "destroy", "--fleet", "shop", "--yes").stderr
    told = [line for line in said.splitlines() if "snapshots" in line]
    assert told == ["With 'web-01' goes what its snapshots made: web-01.s1."]


def test_a_machine_that_is_off_has_no_console(run, host, three):
    import dataclasses

    host.facts = with_machines(*(dataclasses.replace(machine, active=False) for machine in host.facts.machines))
    with pytest.raises(RecipeError, match="is off"):
        run("machines", "console", "db")


@pytest.fixture
def became(monkeypatch):
    """What imgpipe would have become instead of what it becomes."""
    said = []
    monkeypatch.setattr("imgpipe.adapters.handover.hand_over", lambda *argv: said.append(argv))
    return said


SERVERS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPXKSTbdZZZ0lVNFGaoTSF/tPsRPRBKHwvmDpRuWyR7N"
SERVERS_PRINT = fingerprint(SERVERS_KEY)


@pytest.fixture
def servers(monkeypatch):
    """Who answers, by address; what is asked for is remembered."""
    answers, asked = {}, []

    def scan(addresses):
        every = list(addresses)
        asked.extend(every)
        return {address: answers[address] for address in every if address in answers}

    monkeypatch.setattr("imgpipe.adapters.ssh_keyscan.scan", scan)
    answers["asked"] = asked
    return answers


def told(host, name, *prints):
    """Let a guest have told the fingerprints of its host keys."""
    (machine,) = [one for one in host.facts.machines if one.name == name]
    changed(host, name, record=dataclasses.replace(machine.record, host_keys=prints))


def test_a_console_takes_over_the_terminal(run, host, three, became):
    run("machines", "console", "web-01")
    assert became == [("virsh", "--connect", "test:///fake", "console", "--", "web-01")]


def test_ssh_knows_a_machine_by_the_keys_that_its_guest_told_and_asks_nothing(run, host, three, became, servers, store):
    told(host, "web-01", SERVERS_PRINT)
    servers["10.100.1.10"] = ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAAAAAA==", SERVERS_KEY]
    run("machines", "ssh", "web-01", "--user", "ann", "--", "uptime", "--pretty")
    (file,) = (store.root / "ssh").iterdir()
    assert file.read_text() == f"web-01 {SERVERS_KEY}\n"
    assert file.stat().st_mode & 0o777 == 0o644
    options = ("HostKeyAlias=web-01", f"UserKnownHostsFile={file}", "StrictHostKeyChecking=yes", "CheckHostIP=no")
    given = tuple(word for option in options for word in ("-o", option))
    assert became == [("ssh", *given, "-l", "ann", "10.100.1.10", "--", "uptime", "--pretty")]
    # What is known is not asked for again, and root is who logs in where nobody is named.
    servers.pop("10.100.1.10")
    run("machines", "ssh", "web-01")
    assert became[1] == ("ssh", *given, "-l", "root", "10.100.1.10")
    assert servers["asked"] == ["10.100.1.10"]


@pytest.mark.parametrize("whose", ["web-02", "this host"])
def test_a_guest_that_tells_keys_of_somebody_else_is_not_logged_in_to(
    run, host, three, became, servers, *, here, whose
):
    # It hands connections on: so it is the other one who answers, with the right key.
    servers["10.100.1.10"] = [SERVERS_KEY]
    told(host, "web-01", SERVERS_PRINT)
    if whose == "web-02":
        told(host, "web-02", SERVERS_PRINT)
    else:
        here[1].append(f"{SERVERS_KEY} root@host")
    with pytest.raises(HostError, match=f"has keys that '?{whose}'? has too"):
        run("machines", "ssh", "web-01")
    assert became == []
    config = run("machines", "list", "--output", "ssh-config").stdout
    assert "UserKnownHostsFile" not in config


def test_who_was_known_before_somebody_told_his_keys_stays_known(run, host, three, became, servers):
    servers["10.100.1.11"] = servers["10.100.1.10"] = [SERVERS_KEY]
    told(host, "web-02", SERVERS_PRINT)
    run("machines", "ssh", "web-02")
    told(host, "web-01", SERVERS_PRINT)
    run("machines", "ssh", "web-02")
    assert [words[-1] for words in became] == ["10.100.1.11", "10.100.1.11"]


@pytest.mark.parametrize(("address", "whose"), [("10.100.1.11", "'web-02'"), ("10.100.1.1", "this host")])
def test_a_guest_that_says_it_is_at_somebody_elses_address_is_not_reached_there(
    run, host, three, became, servers, *, here, address, whose
):
    here[0][IPv4Address("10.100.1.1")] = "br1"
    servers[address] = [SERVERS_KEY]
    proven = Proven(hostname="", machine_id="", host_keys=(SERVERS_PRINT,), macs=(), addresses=(f"{address}/24",))
    (machine,) = [one for one in host.facts.machines if one.name == "web-01"]
    changed(host, "web-01", record=dataclasses.replace(machine.record, addresses=(), proven=proven))
    with pytest.raises(HostError, match=f"says that it is at {address}, which {whose} has too"):
        run("machines", "ssh", "web-01")
    assert became == []
    listed = run("machines", "list", "--output", "ansible", "web-01")
    assert address not in listed.stdout
    assert json.loads(run("machines", "list", "--json", "web-01").stdout)[0]["addresses"] == []
    assert f"{address}, which {whose} has too" in listed.stderr


@pytest.mark.parametrize("meanwhile", ["changed", "gone", "another"])
def test_what_happened_to_a_machine_while_its_guest_was_asked_is_not_undone(
    run, host, three, became, servers, meanwhile
):
    before = host.find("web-01")

    def read():
        if meanwhile == "gone":
            host.facts = dataclasses.replace(host.facts, machines=host.facts.machines[1:])
        elif meanwhile == "another":
            changed(host, "web-01", uuid="0" * 32, record=None)
        else:
            changed(host, "web-01", record=dataclasses.replace(before.record, settings="{}", complete=False))
        return reported(host_keys=[SERVERS_PRINT])

    host.open_port = lambda name, port: SimpleNamespace(read=read, ended=False, close=lambda: None)
    run("machines", "ssh", "web-01")
    if meanwhile == "changed":
        record = host.find("web-01").record
        assert (record.settings, record.complete, record.host_keys) == ("{}", False, (SERVERS_PRINT,))
    elif meanwhile == "another":
        assert host.find("web-01").record is None


def test_a_guest_that_told_nothing_yet_is_asked_before_ssh(run, host, three, became, servers, store):
    servers["10.100.1.10"] = [SERVERS_KEY]
    host.ports["web-01"] = reported(host_keys=[SERVERS_PRINT])
    run("machines", "ssh", "web-01")
    (file,) = (store.root / "ssh").iterdir()
    assert f"UserKnownHostsFile={file}" in became[0]
    assert host.find("web-01").record.host_keys == (SERVERS_PRINT,)


def test_a_guest_that_is_asked_tells_its_address_too(run, host, three, became, servers):
    nic = {"name": "eth0", "mac": "52:54:00:00:00:01", "addresses": ["10.9.9.9/24"]}
    host.ports["db"] = reported(host_keys=[SERVERS_PRINT], nics=[nic])
    servers["10.9.9.9"] = [SERVERS_KEY]
    changed(host, "db", nics=(ExistingNic(kind="bridge", source="br1", mac="52:54:00:00:00:01"),))
    run("machines", "ssh", "db")
    assert became[0][-1] == "10.9.9.9"


def test_whoever_answers_with_other_keys_is_not_the_machine(run, host, three, became, servers):
    told(host, "web-01", "SHA256:" + "x" * 43)
    servers["10.100.1.10"] = [SERVERS_KEY]
    host.ports["web-01"] = reported(host_keys=["SHA256:" + "x" * 43])
    with pytest.raises(HostError, match="Whoever answers at 10.100.1.10 is not 'web-01'"):
        run("machines", "ssh", "web-01")
    assert became == []
    # A guest that made itself new keys says so, and is believed.
    host.ports["web-01"] = reported(host_keys=[SERVERS_PRINT])
    run("machines", "ssh", "web-01")
    assert "StrictHostKeyChecking=yes" in became[0]


def test_where_no_key_is_known_ssh_asks_and_imgpipe_says_so(run, host, three, became, servers):
    servers["10.100.1.10"] = [SERVERS_KEY]
    said = run("machines", "ssh", "web-01").stderr
    assert "The SSH host keys of 'web-01' are not known: its guest has not told which it has." in said
    assert became == [("ssh", "-o", "HostKeyAlias=web-01", "-l", "root", "10.100.1.10")]


def test_inventories_have_the_known_keys_and_say_which_are_not(run, host, three, servers, store):
    told(host, "web-01", SERVERS_PRINT)
    servers["10.100.1.10"] = [SERVERS_KEY]
    for form in ("ssh-config", "ansible"):
        said = run("machines", "list", "-o", form, "web-01", "web-02")
        (file,) = (store.root / "ssh").iterdir()
        assert str(file) in said.stdout
        assert "note: The SSH host keys of 'web-02' are not known: its guest has not told" in said.stderr
        assert "'web-01'" not in said.stderr
    assert servers["asked"] == ["10.100.1.10"]


def test_machines_whose_keys_are_not_known_for_one_reason_are_told_of_together(run, host, three, servers):
    said = run("machines", "list", "-o", "ansible").stderr.splitlines()
    (line,) = [line for line in said if "SSH host keys" in line]
    assert "of 'web-01', 'web-02' are not known: its guest has not told which it has." in line


def test_machines_on_qemus_nat_are_told_to_be_out_of_reach_and_not_to_wait_for_their_guest(run, host, three, servers):
    said = run("machines", "list", "-o", "ssh-config", "db").stderr
    assert said == (
        "note: 'db' cannot be reached: QEMU's own NAT lets nothing in from outside. 'imgpipe machines console db' "
        "opens a serial console.\n"
    )
    with pytest.raises(
        HostError, match="'db' cannot be reached: QEMU's own NAT lets nothing in from outside."
    ) as caught:
        run("machines", "ssh", "db")
    assert caught.value.hint.startswith("'imgpipe machines console db' opens its serial console; ")


def test_a_machine_without_a_known_address_cannot_be_reached(run, host, three, servers):
    there = next(one for one in host.facts.machines if one.name == "db")
    plugged = [dataclasses.replace(nic, kind="bridge", source="br1") for nic in there.nics]
    changed(host, "db", nics=tuple(plugged))
    with pytest.raises(HostError, match="No address is known") as caught:
        run("machines", "ssh", "db")
    assert "'imgpipe machines console db' shows it" in caught.value.hint


def test_a_copied_record_is_listed_as_a_strangers_with_the_reason_and_can_be_forgotten(run, host, three):
    changed(host, "vm001", stranger=COPIED)
    told = run("machines", "list")
    assert "not imgpipe's" in next(line for line in told.stdout.splitlines() if line.startswith("vm001"))
    assert f"'vm001' is not imgpipe's: {COPIED}." in told.stderr
    (copy,) = [one for one in json.loads(run("machines", "list", "--json").stdout) if one["name"] == "vm001"]
    assert (copy["state"], copy["why"]) == ("not imgpipe's", COPIED)
    with pytest.raises(RecipeError, match="metadata was copied") as caught:
        run("machines", "destroy", "vm001", "--yes")
    assert "imgpipe machines forget vm001" in caught.value.hint
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("machines", "forget", "vm001")
    assert host.said == []
    run("machines", "forget", "vm001", "--yes")
    assert host.said == [("drop_record", "vm001")]


def test_what_has_no_metadata_cannot_be_forgotten(run, host, three):
    with pytest.raises(RecipeError, match="has no metadata of imgpipe's"):
        run("machines", "forget", "vm001", "--yes")
    assert host.said == []


def test_a_missing_disk_is_listed_and_start_says_so(run, host, three):
    changed(host, "web-01", disk_missing=True)
    told = json.loads(run("machines", "list", "web-01", "--json").stdout)
    assert [(one["state"], one["disk_missing"]) for one in told] == [("disk missing", True)]
    with pytest.raises(HostError, match=r"'/data/machines/web-01\.qcow2' of 'web-01' is missing"):
        run("machines", "start", "--group", "web")
    assert host.said == []


def test_a_leftover_is_deleted_only_when_confirmed_and_needed_by_nobody(run, host, three):
    pool = FakePool(Fakes())
    pool.volumes = {"old.qcow2": "left", "web-01.qcow2": "used"}
    changed(host, "web-01", disk="/pool/web-01.qcow2")
    host.shop = dataclasses.replace(host.shop, pool=pool)
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("machines", "destroy", "--leftover", "old.qcow2")
    with pytest.raises(RecipeError, match="needed by the machine 'web-01'"):
        run("machines", "destroy", "--leftover", "web-01.qcow2", "--yes")
    with pytest.raises(RecipeError, match="names a volume, and no machine"):
        run("machines", "destroy", "db", "--leftover", "old.qcow2", "--yes")
    with pytest.raises(RecipeError, match="needed by the machine 'web-01'"):
        run("machines", "destroy", "--leftover", "old.qcow2", "--leftover", "web-01.qcow2", "--yes")
    with pytest.raises(RecipeError, match="has no volume 'gone.qcow2'"):
        run("machines", "destroy", "--leftover", "gone.qcow2")
    assert set(pool.volumes) == {"old.qcow2", "web-01.qcow2"}
    run("machines", "destroy", "--leftover", "old.qcow2", "--yes")
    assert set(pool.volumes) == {"web-01.qcow2"}


def on_host_with(host, **changed):
    features = dataclasses.replace(NEWEST, accelerator="tcg", **changed)
    host.shop = dataclasses.replace(host.shop, policy=dataclasses.replace(host.shop.policy, features=features))


def test_what_an_old_libvirt_leaves_out_is_told_in_the_plan_and_by_the_deploy(run, host, shop_toml):
    assert "'maximum'" not in run("deploy", shop_toml, "--plan").stdout
    on_host_with(host, libvirt=(6, 2, 0), lists={"features/backingStoreInput": frozenset()})
    text = run("deploy", shop_toml, "--plan").stdout
    assert "note     libvirt 6.2.0 with QEMU 10.0.0 has no CPU mode 'maximum'" in text
    assert text.count("'maximum'") == 1
    assert "belongs to QEMU's user" in text
    assert "note: libvirt 6.2.0 with QEMU 10.0.0 has no CPU mode 'maximum'" in run("deploy", shop_toml).stderr
    assert host.applied


def test_machines_that_libvirt_would_not_start_are_refused_by_name(run, host, shop_toml):
    on_host_with(host, libvirt=(6, 0, 0))
    assert "warning  libvirt 6.0.0 is too old" in run("deploy", shop_toml, "--plan").stdout
    with pytest.raises(HostError, match="not ready for the fleet 'shop'") as caught:
        run("deploy", shop_toml)
    assert caught.value.details == (
        "libvirt version: libvirt 6.0.0 is too old: imgpipe's machines need 6.2.0 or newer.",
    )
    assert host.applied == []


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (("--name", "vm001", "--count", 10), "'vm001' has a number of its own", "'vm{n:03}' --first 1 --count 10"),
        (("--name", "vm9", "--count", 3), "'vm9' has a number of its own", "'vm{n}' --first 9 --count 3' makes vm9 to"),
        (("--name", "vm_1"), "'vm_1' is no name for machines.", "no '_'"),
        (("--name", "vm%03d", "--count", 2), "'vm%03d' is no name for machines.", "'vm{n:03}' is vm001"),
    ],
)
def test_a_name_that_was_meant_otherwise_is_told_with_what_to_write(run, host, shop_toml, words, said, hint):
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky9", *words)
    assert said in str(caught.value)
    assert hint in caught.value.hint
    assert host.applied == []


def test_a_number_in_the_name_of_one_machine_is_only_a_name(run, host, shop_toml):
    run("deploy", "rocky9", "--name", "vm001")
    run("deploy", "rocky9", "--name", "vm{n:03}", "--count", 2, "--first", 2)
    assert [change.machine.name for change in host.applied] == ["vm001", "vm002", "vm003"]


def test_faults_of_a_command_line_are_told_by_its_options(run, host, shop_toml):
    with pytest.raises(RecipeError) as caught:
        run(
            "deploy", "rocky9", "--name", "a", "--vcpus", 999, "--bridge", "a-very-long-name", "--addresses", "10.0.0.1"
        )
    assert [fault.partition(": ")[0] for fault in caught.value.details] == ["--vcpus", "--bridge", "--addresses"]
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky9", "--name", "a", "--bridge", "br7", "--disk", "1 MiB")
    assert [fault.partition(": ")[0] for fault in caught.value.details] == ["--bridge", "--disk"]


def test_a_template_that_is_not_built_yet_is_told_with_what_builds_it(run, host, shop_toml):
    with pytest.raises(RecipeError, match="There is no image 'rocky9-8c2g15g'") as caught:
        run("deploy", "rocky9-8c2g15g", "--name", "x")
    assert caught.value.hint == "Build it: 'imgpipe build rocky9-8c2g15g'."


def test_nics_that_nobody_named_are_those_of_the_settings(run, host, shop_toml, monkeypatch):
    monkeypatch.setattr(command.context, "settings", lambda: Settings(bridges=("br1", "br2")))
    run("deploy", "rocky9", "--name", "app", "--addresses", "dhcp", "--addresses", "10.100.1.10/24")
    nics = host.applied[0].machine.identity.nics
    assert [(nic.source, str(nic.address)) for nic in nics] == [("br1", "None"), ("br2", "10.100.1.10/24")]
    host.applied.clear()
    run("deploy", "rocky9", "--name", "other", "--bridge", "br2")
    assert [nic.source for nic in host.applied[0].machine.identity.nics] == ["br2"]
    host.applied.clear()
    shop_toml.write_text("name = 'bare'\n[groups.a]\ntemplate = 'rocky9'\ncount = 1\n")
    run("deploy", shop_toml)
    assert [nic.source for nic in host.applied[0].machine.identity.nics] == ["br1", "br2"]


def test_nics_that_nobody_named_are_like_those_of_the_machine_that_was_imported(run, host, add_image):
    image = add_image("old", "20260301.1")
    manifest = json.loads((image.folder / "manifest.json").read_text())
    manifest["plan"]["source_nics"] = [
        {"kind": "SourceNic", "plug": "bridge", "source": "br2"},
        {"kind": "SourceNic", "plug": "network", "source": "default"},
    ]
    (image.folder / "manifest.json").write_text(json.dumps(manifest))
    addresses = ("--addresses", "dhcp", "--addresses", "10.100.1.10/24")
    for words in ((), addresses):
        said = run("deploy", "old", "--name", f"app{len(words)}", *words).stderr
        assert "like the machine that 'old@20260301.1' was imported from." in said
    nics = [change.machine.identity.nics for change in host.applied]
    assert [[(nic.kind, nic.source) for nic in each] for each in nics] == [
        [("bridge", "br2"), ("network", "default")]
    ] * 2
    assert [str(nic.address) for nic in nics[1]] == ["None", "10.100.1.10/24"]
    said = run("deploy", "old", "--name", "named", "--bridge", "br1").stderr
    assert "imported" not in said
    assert [nic.source for nic in host.applied[-1].machine.identity.nics] == ["br1"]


def test_a_deploy_that_ends_on_qemus_nat_says_so(run, host, shop_toml):
    said = run("deploy", "rocky9", "--name", "app").stderr
    assert "note: 'app': on QEMU's own NAT, so nothing reaches them from outside; '--bridge'" in said
    assert "NAT" not in run("deploy", "rocky9", "--name", "app2", "--bridge", "br1").stderr
