"""`imgpipe machines set`: one machine is changed, and later deploys keep it; fleets of options as files."""

import json
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from sample_fleets import HASH, KEY, with_machines
from stand_in_host import FLEET, changed

from imgpipe.deploy import bring_up
from imgpipe.deploy.changes import Keep, Modify
from imgpipe.deploy.fleet_records import Description, recall, remember
from imgpipe.deploy.fleet_text import as_toml
from imgpipe.errors import RecipeError
from imgpipe.sizes import GIB

BRIDGED = ("--bridge", "br1", "--bridge", "br2")


@pytest.fixture
def deployed(run, host, shop_toml):
    run("deploy", shop_toml)
    host.applied.clear()
    return host


def machine(host, name):
    return next(one for one in host.facts.machines if one.name == name)


def applied(host):
    return {change.machine.name: change for change in host.applied}


def test_a_machine_is_changed_alone_and_later_deploys_keep_it(run, deployed, shop_toml):
    told = run("machines", "set", "web-02", "--memory", "4G", "--vcpus", 8, "--yes").stderr
    assert "web-02: 8 vCPU instead of 2; 4 GiB memory instead of 2 GiB (it must stop for that).\n" in told
    (change,) = deployed.applied
    assert (change.machine.name, change.needs_stop) == ("web-02", True)
    assert change.what == ("8 vCPU instead of 2", "4 GiB memory instead of 2 GiB")
    deployed.applied.clear()
    said = run("deploy", shop_toml).stderr
    assert [type(change) for change in deployed.applied] == [Keep, Keep]
    assert "note: 'web-02': cpus, memory as 'machines set' gave it, and not as its group says." in said
    assert machine(deployed, "web-02").memory == 4 * GIB
    assert machine(deployed, "web-01").memory == 2 * GIB


def test_what_is_set_later_is_added_and_reset_gives_all_back(run, deployed, shop_toml):
    run("machines", "set", "web-02", "--memory", "4G", "--yes")
    run("machines", "set", "web-02", "--vcpus", 8, "--yes")
    assert (machine(deployed, "web-02").memory, machine(deployed, "web-02").cpus) == (4 * GIB, 8)
    told = run("machines", "set", "web-02", "--reset", "--yes").stdout
    assert told == "web-02: it is as its fleet says\n"
    assert (machine(deployed, "web-02").memory, machine(deployed, "web-02").cpus) == (2 * GIB, 2)
    assert machine(deployed, "web-02").record.settings == ""


def test_a_deploy_that_was_waited_for_is_not_undone(run, host, shop_toml, monkeypatch):
    run("deploy", "rocky9", "--name", "db", "--memory", "4G", "--yes")

    lock = bring_up.fleet_lock

    @contextmanager
    def after_a_deploy(*given):
        monkeypatch.setattr(bring_up, "fleet_lock", lock)
        run("deploy", "rocky9", "--name", "db", "--memory", "8G", "--yes")
        with lock(*given):
            yield

    monkeypatch.setattr(bring_up, "fleet_lock", after_a_deploy)
    run("machines", "set", "db", "--vcpus", 4, "--yes")
    assert (machine(host, "db").memory, machine(host, "db").cpus) == (8 * GIB, 4)


def test_a_plan_is_shown_and_nothing_is_done(run, deployed):
    before = deployed.facts
    text = run("machines", "set", "web-02", "--memory", "4G", "--plan").stdout
    assert "~ web-02  4 GiB memory instead of 2 GiB (it must stop for that)" in text
    assert "web-01" not in text
    assert text.endswith("web-02: later deploys keep what it has of its own: memory\n")
    told = json.loads(run("machines", "set", "web-02", "--memory", "4G", "--plan", "--json").stdout)
    assert ([change["name"] for change in told["changes"]], told["own"]) == (["web-02"], ["memory"])
    assert told["orphans"] == []
    assert (deployed.applied, deployed.facts) == ([], before)


def test_a_running_machine_is_not_stopped_unasked(run, deployed):
    with pytest.raises(RecipeError, match="Nobody can be asked") as caught:
        run("machines", "set", "web-02", "--memory", "4G")
    assert caught.value.details == ("Stop 'web-02' for the change, and start again?",)
    assert deployed.applied == []
    run("machines", "set", "web-02", "--memory", "4G", "--no-stop")
    assert not deployed.manner.may_stop
    assert len(deployed.applied) == 1


def test_a_machine_that_is_off_stays_off(run, deployed):
    changed(deployed, "web-02", active=False)
    run("machines", "set", "web-02", "--memory", "4G")
    (change,) = deployed.applied
    assert (change.needs_stop, change.start, change.machine.start) == (False, False, False)


def test_nics_keys_and_passwords_are_kept_too(run, deployed, shop_toml, tmp_path, monkeypatch):
    (tmp_path / "ann.pub").write_text(KEY.replace("ann", "new"))
    (tmp_path / "pw").write_text(HASH)
    words = (*BRIDGED, "--addresses", "10.100.1.15/24", "--key-file", tmp_path / "ann.pub")
    run("machines", "set", "web-02", *words, "--root-password", f"file:{tmp_path / 'pw'}", "--yes")
    (change,) = deployed.applied
    assert [(nic.source, str(nic.address)) for nic in change.machine.identity.nics] == [
        ("br1", "10.100.1.15/24"),
        ("br2", "None"),
    ]
    assert change.machine.identity.keys == (KEY.replace("ann", "new"),)
    assert change.machine.identity.password_hash == HASH
    assert HASH not in machine(deployed, "web-02").record.settings
    deployed.applied.clear()
    run("deploy", shop_toml)
    assert [type(change) for change in deployed.applied] == [Keep, Keep]


def test_what_the_file_says_of_the_machine_wins(run, deployed, shop_toml):
    run("machines", "set", "web-02", "--memory", "4G", "--vcpus", 8, "--yes")
    deployed.applied.clear()
    shop_toml.write_text(f'{FLEET}\n[machines.web-02]\nmemory = "6 GiB"\n')
    run("deploy", shop_toml, "--yes")
    change = applied(deployed)["web-02"]
    assert isinstance(change, Modify)
    assert change.what == ("6 GiB memory instead of 4 GiB", "what 'machines set' gave it ends: memory")
    assert json.loads(machine(deployed, "web-02").record.settings) == {"cpus": 8}
    with pytest.raises(RecipeError, match="The fleet's file itself says") as caught:
        run("machines", "set", "web-02", "--memory", "8G", "--yes")
    assert caught.value.details == ("machines.web-02: memory",)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("web-02",), "Nothing was said"),
        (("web-2", "--vcpus", 2), "There is no machine 'web-2'"),
        (("web-02", "--memory", "4096"), "is not valid"),
        (("web-02", "--vcpus", 2, "--addresses", "10.0.0.1/24"), "for 0 NICs"),
        (("web-02", "--disk", "1G"), "cannot be deployed"),
        (("web-02", "--bridge", "br9"), "cannot be deployed"),
        (("web-02", "--memory", "1 MiB"), "cannot be deployed"),
        (("web-02", "--root-password", "hunter2"), "takes no password, but where it is"),
        (("web-02", "--root-password", "env:NO_SUCH"), "names secrets that are not there"),
        (("web-02", "--key-file", "/no/such"), "names files that are not what it needs"),
        (("web-02", "--bridge", "br1", "--addresses", "10.100.1.10/24"), "cannot be deployed"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_touched(run, deployed, words, told):
    with pytest.raises(RecipeError, match=told):
        run("machines", "set", *words, "--yes")
    assert deployed.applied == []


def test_a_fault_is_told_of_what_was_set(run, deployed):
    with pytest.raises(RecipeError) as caught:
        run("machines", "set", "web-02", "--memory", "1 MiB", "--yes")
    assert caught.value.details[0].startswith("web-02, as 'machines set' has it: memory: 1 MiB is too little")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"files": [{"path": "/x", "source": "/etc/shadow"}]}', "cannot be read"),
        ('{"password": {"file": "/etc/shadow"}}', "was not written from this data root"),
        ('{"password": {"file": "/etc/shadow"}, "seal": "00"}', "was not written from this data root"),
        ('{"password": {"file": "/etc/shadow"}, "seal": "\u00e9"}', "was not written from this data root"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_metadata_that_somebody_wrote_names_no_file_of_this_host(run, deployed, shop_toml, settings, told):
    import dataclasses

    record = machine(deployed, "web-02").record
    changed(deployed, "web-02", record=dataclasses.replace(record, settings=settings))
    with pytest.raises(RecipeError) as caught:
        run("deploy", shop_toml)
    assert told in caught.value.details[0]
    assert "imgpipe machines set web-02 --reset" in caught.value.details[0]
    run("machines", "set", "web-02", "--reset", "--yes")
    assert machine(deployed, "web-02").record.settings == ""


def test_a_fleet_that_was_deployed_elsewhere_is_named_by_its_file(run, deployed, shop_toml, store):
    (store.root / "fleets" / "shop.json").unlink()
    with pytest.raises(RecipeError, match="is not known here") as caught:
        run("machines", "set", "web-02", "--vcpus", 8, "--yes")
    assert "--fleet-file" in caught.value.hint
    run("machines", "set", "web-02", "--vcpus", 8, "--yes", "--fleet-file", shop_toml)
    assert machine(deployed, "web-02").cpus == 8
    other = shop_toml.with_name("other.toml")
    other.write_text(FLEET.replace('"shop"', '"other"'))
    with pytest.raises(RecipeError, match="is the fleet 'other'"):
        run("machines", "set", "web-02", "--vcpus", 8, "--yes", "--fleet-file", other)


def test_a_machine_that_the_fleet_lost_is_left_alone(run, deployed, shop_toml):
    shop_toml.write_text(FLEET.replace("count = 2", "count = 1"))
    with pytest.raises(RecipeError, match="does not name 'web-02' any more"):
        run("machines", "set", "web-02", "--vcpus", 8, "--yes")


ASKED = (
    "rocky9", "--name", "app-{n:03}", "--count", 2, "--first", 7, "--vcpus", 4, "--memory", "4G", "--disk", "40 GiB",
    *BRIDGED, "--addresses", "dhcp", "--addresses", "10.100.1.10-10.100.1.19/24", "--dns", "10.100.1.2",
    "--domain", "shop.example", "--full", "--autostart", "--cache", "writeback",
    "--cache-reason", 'it is "slow" \u00e9',
)  # fmt: skip


@pytest.mark.parametrize("more", [(), ("--fleet", "other", "--fleet-id", "fixed", "--no-start")])
def test_a_fleet_of_options_is_the_same_as_a_file(run, host, shop_toml, tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROOT_PW", "correct horse battery")
    (tmp_path / "keys.pub").write_text(f"{KEY}\n")
    words = (*ASKED, *more, "--key-file", "keys.pub", "--root-password", "env:ROOT_PW")
    run("deploy", *words, "--write-fleet", "app.toml")
    written = (tmp_path / "app.toml").read_text()
    assert tomllib.loads(written)["groups"]["app"]["root"]["key_files"] == [str(tmp_path / "keys.pub")]
    assert "horse" not in written
    changes = json.loads(run("deploy", "app.toml", "--plan", "--json").stdout)["changes"]
    assert [change["action"] for change in changes] == ["keep", "keep"]
    name = "other" if more else "app"
    assert tomllib.loads(run("machines", "export-fleet", name).stdout) == tomllib.loads(written)
    # From then on the file is what describes it.
    run("deploy", "app.toml")
    with pytest.raises(RecipeError, match="The fleet has a file: '.*app.toml'"):
        run("machines", "export-fleet", name)


def test_a_single_machine_is_written_too_and_a_plan_alone_is_enough(run, host, shop_toml, tmp_path):
    run("deploy", "rocky9", "--name", "db", "--plan", "--write-fleet", tmp_path / "db.toml")
    assert tomllib.loads((tmp_path / "db.toml").read_text()) == {
        "name": "db",
        "groups": {"db": {"template": "rocky9", "names": ["db"]}},
    }
    assert host.applied == []


def test_a_file_that_is_there_is_not_written_over(run, host, shop_toml, tmp_path):
    before = shop_toml.read_text()
    with pytest.raises(RecipeError, match="There is something at"):
        run("deploy", "rocky9", "--name", "db", "--write-fleet", shop_toml)
    assert (shop_toml.read_text(), host.applied) == (before, [])
    with pytest.raises(RecipeError, match=r"called NAME\.toml"):
        run("deploy", "rocky9", "--name", "db", "--write-fleet", tmp_path / "db")
    with pytest.raises(RecipeError, match="What the machines are is in the fleet's file"):
        run("deploy", shop_toml, "--write-fleet", tmp_path / "again.toml")


def test_a_folder_whose_name_has_control_characters_leaves_a_file_that_can_be_read():
    table = {"name": "db", "groups": {"db": {"template": "a\x7f\x01"}}}
    text = as_toml(table, "Made from options; '--trust-backing /a\x01b\x7f\nname = \"evil\"'")
    assert tomllib.loads(text) == table


def test_a_fleet_that_was_never_deployed_cannot_be_exported(run, host):
    with pytest.raises(RecipeError, match="is not known here"):
        run("machines", "export-fleet", "shop")


def test_a_clone_of_a_machine_has_no_fleet(run, deployed):
    import dataclasses

    record = machine(deployed, "web-02").record
    cloned = dataclasses.replace(record, fleet="clones of vm001", template="vm001")
    deployed.facts = with_machines(dataclasses.replace(machine(deployed, "web-02"), record=cloned))
    with pytest.raises(RecipeError, match="is a clone of a machine"):
        run("machines", "set", "web-02", "--vcpus", 8)


def test_a_program_is_told_what_the_machine_is_now(run, deployed):
    told = json.loads(run("machines", "set", "web-02", "--memory", "4G", "--yes", "--json").stdout)
    assert (told["name"], told["memory"], told["own"]) == ("web-02", 4 * GIB, ["memory"])


@pytest.mark.parametrize("name", ["../planted", "/tmp/planted", ".", "a/b", "x" * 300, "a\nb"])
def test_a_fleets_name_in_metadata_leads_to_no_file_elsewhere(store, name):
    (store.root / "fleets").mkdir(parents=True)
    for place in (store.root, store.root / "fleets" / "a"):
        place.mkdir(exist_ok=True)
        (place / "planted.json").write_text('{"file": "/x", "table": {}, "format": null, "trusted": []}')
        (place / "b.json").write_text('{"file": "/x", "table": {}, "format": null, "trusted": []}')
    assert recall(store, name) is None
    remember(store, name, Description(file=Path("/y.toml")))
    assert recall(store, name) == Description(file=Path("/y.toml"))
    assert len(list((store.root / "fleets").glob("*.json"))) == 1
