"""Host keys are known where the guest's own word and a server's answer agree, and nowhere else."""

import base64
import dataclasses

import pytest
from sample_fleets import existing, fleet, plan

from imgpipe.adapters import ssh_keyscan
from imgpipe.deploy.existing import Proven
from imgpipe.deploy.host_keys import HostKeys, fingerprint, known_host_keys, ssh_path, told_fingerprints
from imgpipe.store import Store

ED, ECDSA, OTHER = (f"ssh-ed25519 {base64.b64encode(name * 8).decode()}" for name in (b"ed25", b"ecds", b"othe"))
PRINTS = (fingerprint(ED), fingerprint(ECDSA))


def machine(**changes):
    return existing(plan(fleet()).machines[0], **({"host_keys": PRINTS} | changes))


def known(store, *machines, answers=None):
    asked = []

    def scan(addresses):
        asked.extend(addresses)
        return {"10.100.1.10": answers} if answers else {}

    return known_host_keys(machines, store, scan), asked


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_fingerprint_is_that_of_ssh_keygen():
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPXKSTbdZZZ0lVNFGaoTSF/tPsRPRBKHwvmDpRuWyR7N"
    # ssh-keygen -l -f of a file with this key.
    assert fingerprint(key) == "SHA256:xjyUr6L/t8vLWHBKVjd0Eb31e/wx1crMu5MRRKgRYOo"
    assert fingerprint("ssh-ed25519") == fingerprint("ssh-ed25519 *") == ""


def test_only_keys_that_the_guest_told_are_kept(store):
    found, _ = known(store, machine(), answers=[OTHER, ED, ECDSA])
    assert found["web-01"].file.read_text() == f"web-01 {ED}\nweb-01 {ECDSA}\n"


def test_what_is_kept_is_not_asked_for_again_until_the_machine_has_other_keys(store):
    known(store, machine(), answers=[ED])
    found, asked = known(store, machine(active=False))
    assert (found["web-01"].why, asked) == ("", [])
    found, asked = known(store, machine(host_keys=(fingerprint(OTHER),)), answers=[OTHER])
    assert asked == ["10.100.1.10"]
    assert found["web-01"].file.read_text() == f"web-01 {OTHER}\n"


def test_a_renamed_machine_is_known_under_its_new_name(store):
    known(store, machine(), answers=[ED])
    found, _ = known(store, dataclasses.replace(machine(), name="new"), answers=[ED])
    assert found["new"].file.read_text() == f"new {ED}\n"


def test_a_name_that_is_a_pattern_to_ssh_is_none_in_the_file(store):
    odd = dataclasses.replace(machine(), name="*,web-*")
    found, _ = known(store, odd, answers=[ED])
    assert found[odd.name].file.read_text() == f"{odd.uuid} {ED}\n"


@pytest.mark.parametrize(
    ("changes", "answers", "why"),
    [
        ({"host_keys": ()}, [ED], "its guest has not told which it has"),
        ({"record": None}, [ED], "its guest has not told which it has"),
        ({"active": False}, [ED], "it is off, and was not asked for them yet"),
        ({"addresses": ()}, [ED], "no address is known at which it could be asked for them"),
        ({}, [], "no SSH server answers at 10.100.1.10"),
        ({}, [OTHER], "what answers at 10.100.1.10 has others than its guest told"),
    ],
)
def test_what_is_not_known_is_told_and_nothing_is_kept(store, changes, answers, why):
    found, _ = known(store, machine(**changes), answers=answers)
    assert found == {"web-01": HostKeys(why=why, foreign=answers == [OTHER])}
    assert not (store.root / "ssh").exists()


def test_a_planted_file_is_no_known_key(store):
    (store.root / "ssh").mkdir()
    (store.root / "ssh" / f"known_hosts-{machine().uuid}").write_text(f"web-01 {ED}\n* {OTHER}\n")
    found, asked = known(store, machine())
    assert (found["web-01"].file, asked) == (None, ["10.100.1.10"])


def test_a_path_that_would_be_more_to_ssh_is_not_used(tmp_path):
    found, _ = known(Store(tmp_path / "${HOME}"), machine(), answers=[ED])
    assert "means something to ssh" in found["web-01"].why
    assert ssh_path(tmp_path / "a b%h").endswith('a b%%h"')


def test_the_guests_newest_word_counts():
    proven = Proven(hostname="", machine_id="", host_keys=("SHA256:old",), macs=(), addresses=())
    assert told_fingerprints(machine(host_keys=(), proven=proven).record) == ("SHA256:old",)
    assert told_fingerprints(machine(proven=proven).record) == PRINTS


def test_of_what_servers_say_only_keys_of_who_was_asked_count(monkeypatch):
    said = f"# 10.0.0.1:22 SSH-2.0-OpenSSH_9.2\n10.0.0.1 {ED}\n10.0.0.1 {ECDSA}\n10.0.0.9 {ED}\nwrite: refused\n"
    monkeypatch.setattr(ssh_keyscan.process, "told_by", lambda *argv, limit, timeout_s: said)
    assert ssh_keyscan.scan(["10.0.0.1", "10.0.0.2"]) == {"10.0.0.1": (ED, ECDSA)}
