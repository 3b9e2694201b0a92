"""Digests of identities: pinned, so that no machine looks changed by an update, and useless for guessing."""

import base64
import dataclasses
import gzip
import hashlib
import hmac
import itertools

import pytest

from imgpipe.deploy.wanted import WantedFile
from imgpipe.identity.carriage import carry
from imgpipe.identity.compare import faults
from imgpipe.identity.digest import identity_digest, is_named_by, is_unkeyed, seed_nonce
from imgpipe.identity.report import Report
from imgpipe.os_family import Personalise
from sample_identity import FULL, HASH, PUBLIC

KEY = bytes(range(32))
KEYFILE = Personalise(way="first-boot", network="keyfile")
KEYED = dataclasses.replace(FULL, key=KEY)
HASHED = dataclasses.replace(PUBLIC, password_hash=HASH, key=KEY)
PIN_FILE = WantedFile(path="/etc/pin", text="493817\n", mode=0o600, secret=True)
PIN = dataclasses.replace(PUBLIC, files=(PIN_FILE,), key=KEY)

# What the version that keyed none gave, and machines have on record.
OLD_PUBLIC, OLD_FULL, OLD_HASHED, OLD_PIN = (
    "f4c039cb956c288a",
    "152331761b2739e9",
    "8f8a9d308d7cd39b",
    "a4d594f24f7f8e1b",
)


def strings_of(identity):
    carried = carry(identity, KEYFILE, "web-01")
    packed = base64.b64decode("".join(string.split(":")[5] for string in carried.oem_strings))
    return gzip.decompress(packed).decode(), carried


def test_digests_are_pinned():
    assert identity_digest(PUBLIC) == OLD_PUBLIC
    assert identity_digest(KEYED) == "5a395ace252a733b"
    assert seed_nonce(KEYED) == "f2281a0963df289c1d40e5e1ee53f133"


def test_the_key_and_nothing_else_keeps_a_digest_from_being_guessed():
    other = dataclasses.replace(KEYED, key=bytes(32))
    assert identity_digest(other) != identity_digest(KEYED)
    assert seed_nonce(other) != seed_nonce(KEYED)
    assert seed_nonce(KEYED)[:16] != identity_digest(KEYED)
    assert len(seed_nonce(KEYED)) == 32
    assert KEY.hex() not in repr(KEYED)
    assert repr(KEY) not in repr(KEYED)


def test_without_a_data_roots_key_there_is_one_of_the_run_all_the_same():
    assert identity_digest(FULL) not in (OLD_FULL, identity_digest(dataclasses.replace(FULL, key=b"")))


def test_a_changed_secret_is_another_identity():
    assert identity_digest(dataclasses.replace(KEYED, password_hash=HASH + "z")) != identity_digest(KEYED)
    changed = dataclasses.replace(PIN, files=(dataclasses.replace(PIN_FILE, text="493818\n"),))
    assert identity_digest(changed) != identity_digest(PIN)
    assert seed_nonce(changed) != seed_nonce(PIN)


def test_machines_of_the_earlier_version_stay_as_they_are_where_nothing_can_be_guessed():
    assert is_named_by(OLD_PUBLIC, PUBLIC)
    assert is_named_by(OLD_HASHED, HASHED)
    assert not is_named_by(OLD_HASHED, dataclasses.replace(HASHED, password_hash=HASH + "z"))
    assert not is_named_by("", PUBLIC)


def test_machines_whose_secret_files_can_be_guessed_are_told_anew():
    assert not is_named_by(OLD_PIN, PIN)
    assert not is_named_by(OLD_FULL, KEYED)
    assert is_unkeyed(OLD_PIN, PIN)
    assert not is_unkeyed(identity_digest(PIN), PIN)
    assert not is_unkeyed(OLD_HASHED, HASHED)


def test_a_guest_that_took_the_earlier_versions_identity_is_not_at_fault():
    report = Report(
        version=1,
        hostname=HASHED.hostname,
        machine_id="0" * 32,
        host_keys=(),
        nics=(),
        gateways=(),
        identity=OLD_HASHED,
        state="running",
        failed=(),
        problems=(),
    )
    alone = dataclasses.replace(HASHED, nics=())
    assert any("identity" in fault for fault in faults(alone, report))
    keyed = report.model_copy(update={"identity": identity_digest(HASHED)})
    for told in (report, keyed):
        assert not [fault for fault in faults(HASHED, told) if "identity" in fault]


def test_no_pin_can_be_found_by_what_stands_in_a_definition():
    """The attack: all that is public is known, also what a seed looks like; a million tries a second."""
    text, carried = strings_of(PIN)
    public = {word for line in text.splitlines() for word in line.split()}
    ((_, seed),) = carried.seed_files
    guesses = (f"{number:06}\n" for number in itertools.chain(range(493810, 493820), range(10)))
    for guess in guesses:
        tried = dataclasses.replace(PIN, files=(dataclasses.replace(PIN_FILE, text=guess),), key=b"")
        told = seed.replace(base64.b64encode(b"493817\n").decode(), base64.b64encode(guess.encode()).decode())
        lines = told.splitlines(keepends=True)
        for shape in ("".join(lines[:1] + lines[2:]), "".join(lines[2:])):
            assert hashlib.sha256(shape.encode()).hexdigest() not in public
        for canonical in (identity_digest(tried), hmac.new(b"", guess.encode(), "sha256").hexdigest()[:16]):
            assert canonical not in public


def test_a_seed_begins_with_its_nonce_and_is_named_by_its_digest():
    text, carried = strings_of(KEYED)
    ((name, seed),) = carried.seed_files
    assert (name, seed.splitlines()[:2]) == (
        "identity",
        [f"imgpipe 1 {identity_digest(KEYED)}", f"seed nonce {seed_nonce(KEYED)}"],
    )
    assert seed_nonce(KEYED) not in text
    assert f"seed SU1HUElQRS1JRA== {hashlib.sha256(seed.encode()).hexdigest()}" in text.splitlines()


@pytest.mark.parametrize(
    "file",
    [
        WantedFile(path="/etc/a", text="493817", mode=0o600),
        WantedFile(path="/etc/a", text="493817", mode=0o400),
        WantedFile(path="/etc/a", text="493817", mode=0o644, secret=True),
        WantedFile(path="/etc/a", text=f"493817 ops:{HASH}:1:", mode=0o644),
        WantedFile(path="/etc/a", text="493817\n-----BEGIN OPENSSH PRIVATE KEY-----\n", mode=0o644),
    ],
    ids=["0600", "0400", "said", "hash", "key"],
)
def test_what_is_secret_or_hashed_never_stands_in_a_definition(file):
    text, carried = strings_of(dataclasses.replace(PUBLIC, files=(file,)))
    packed = base64.b64encode(file.text.encode()).decode()
    assert packed not in text
    assert packed in carried.seed_files[0][1]


def test_no_hash_stands_in_a_definition():
    text, _ = strings_of(FULL)
    words = [word for line in text.splitlines() for word in line.split()]
    decoded = [base64.b64decode(word) for word in words if len(word) % 4 == 0]
    assert not [word for word in decoded if b"$6$" in word]
    assert "password" not in {line.split()[0] for line in text.splitlines()}
