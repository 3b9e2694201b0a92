"""Secrets of a fleet against what libvirt has on record of its machines, across runs and versions."""

import dataclasses
import hashlib
import json

import pytest
from sample_fleets import HASH, existing, fleet, plan, with_machines

from imgpipe.deploy.changes import Keep, Modify
from imgpipe.deploy.definitions import HostPolicy, definition
from imgpipe.deploy.making import carried_of, record_with_seed
from imgpipe.os_family import Account

KEY = bytes(range(32))
PIN = {"path": "/etc/pin", "text": "493817\n", "mode": "0600", "secret": True}
OTHER_PIN = PIN | {"text": "493818\n"}


def planned(facts=None, files=(), key=KEY, password=HASH):
    accounts = {"web/root": Account(name="root", password_hash=password)}
    more = {"facts": facts} if facts else {}
    return plan(fleet(count=1, files=list(files)), accounts=accounts, key=key, **more)


def unkeyed(identity):
    """The digest as an earlier version made it."""
    values = dataclasses.asdict(identity)
    del values["password"], values["key"]
    canonical = json.dumps(values, default=str, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def change_of(made, **more):
    (change,) = planned(with_machines(made), **more).changes
    return change


@pytest.mark.parametrize("files", [(), (PIN,)], ids=["password", "file"])
def test_another_run_with_the_same_secrets_changes_nothing(files):
    (machine,) = planned(files=files).machines
    assert isinstance(change_of(existing(machine), files=files), Keep)


def test_a_changed_secret_is_seen():
    (machine,) = planned(files=(PIN,)).machines
    for more in ({"files": (OTHER_PIN,)}, {"files": (PIN,), "password": HASH + "x"}):
        change = change_of(existing(machine), **more)
        assert isinstance(change, Modify)
        assert change.what == ("other keys, passwords, users, files or network settings in the guest",)


def test_a_machine_of_the_earlier_version_with_passwords_alone_stays_as_it_is():
    (machine,) = planned().machines
    assert isinstance(change_of(existing(machine, identity=unkeyed(machine.identity))), Keep)


def test_one_whose_definition_betrays_a_secret_file_is_told_anew_once_and_why():
    (machine,) = planned(files=(PIN,)).machines
    change = change_of(existing(machine, identity=unkeyed(machine.identity)), files=(PIN,))
    assert isinstance(change, Modify)
    assert change.what == (
        "its definition has a digest by which its secret files can be guessed; the guest is told all anew",
    )
    assert isinstance(change_of(existing(change.machine), files=(PIN,)), Keep)


def test_nothing_in_a_definition_depends_on_a_secret_in_a_way_that_others_can_follow(tmp_path):
    """Two data roots give the same secret: all that their definitions share says nothing of it."""
    texts = []
    for key in (KEY, bytes(32)):
        (machine,) = planned(files=(PIN,), key=key).machines
        carried = carried_of(machine)
        record = record_with_seed(machine, carried, "imgpipe")
        xml = definition(machine, carried.oem_strings, record, HostPolicy(folder=tmp_path, accelerator="tcg"))
        assert "493817" not in xml
        assert unkeyed(machine.identity) not in xml
        assert (
            hashlib.sha256("".join(carried.seed_files[0][1].splitlines(keepends=True)[2:]).encode()).hexdigest()
            not in xml
        )
        texts.append((record.identity, carried.oem_strings, carried.seed_files))
    assert all(first != second for first, second in zip(*texts, strict=True))
