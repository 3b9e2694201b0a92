import base64
import dataclasses
import gzip
import hashlib

import pytest
import yaml

from imgpipe.deploy.wanted import WantedFile, WantedUser
from imgpipe.errors import PluginError, RecipeError
from imgpipe.identity.carriage import SEED_FILE, SEED_VOLUME_ID, carry, carry_files
from imgpipe.identity.digest import identity_digest
from imgpipe.identity.oem_strings import MOST_BYTES
from imgpipe.offline_edits import Remove, WriteFile
from imgpipe.os_family import Personalise
from sample_identity import FULL, HASH, PUBLIC, SECRET

KEYFILE = Personalise(way="first-boot", network="keyfile")
CLOUD = Personalise(way="cloud-init", network="netplan")


def unpacked(strings):
    fields = [string.split(":") for string in strings]
    assert [(field[:2], int(field[2]), int(field[3])) for field in fields] == [
        (["imgpipe", "1"], index, len(strings)) for index in range(1, len(strings) + 1)
    ]
    text = "".join(field[5] for field in fields)
    assert {field[4] for field in fields} == {hashlib.sha256(text.encode()).hexdigest()[:16]}
    return gzip.decompress(base64.b64decode(text)).decode().splitlines()


def decoded(field):
    return "" if field == "-" else base64.b64decode(field).decode()


def test_an_identity_without_secrets_needs_no_seed():
    carried = carry(PUBLIC, KEYFILE, "web-01")
    assert (carried.seed_files, carried.seed_volume_id) == ((), "")
    lines = unpacked(carried.oem_strings)
    assert lines[0] == f"imgpipe 1 {identity_digest(PUBLIC)}"
    assert f"hostname {base64.b64encode(PUBLIC.hostname.encode()).decode()}" in lines


def test_secrets_are_on_the_seed_and_nowhere_else():
    carried = carry(FULL, KEYFILE, "web-01")
    lines = [line for line in unpacked(carried.oem_strings) if not line.startswith("seed ")]
    shown = [decoded(field) for line in lines[1:] for field in line.split() if len(field) > 20]
    assert PUBLIC.files[0].text in shown
    assert not any(HASH in text or SECRET in text for text in shown)
    ((name, text),) = carried.seed_files
    assert (name, carried.seed_volume_id) == (SEED_FILE, SEED_VOLUME_ID)
    assert f"password {base64.b64encode(b'root').decode()} {base64.b64encode(HASH.encode()).decode()}" in text
    assert base64.b64encode(SECRET.encode()).decode() in text
    assert SECRET not in repr(carried)
    assert HASH not in repr(carried)


def test_the_definition_names_its_seed_by_what_is_in_it():
    carried = carry(FULL, KEYFILE, "web-01")
    (line,) = [line for line in unpacked(carried.oem_strings) if line.startswith("seed ")]
    assert decoded(line.split()[1]) == SEED_VOLUME_ID
    assert line.split()[2] == hashlib.sha256(carried.seed_files[0][1].encode()).hexdigest()


def test_what_is_too_large_for_strings_goes_on_the_seed():
    # Not to be compressed by much.
    text = "".join(hashlib.sha512(f"{number}".encode()).hexdigest() for number in range(600))
    large = dataclasses.replace(PUBLIC, files=(WantedFile(path="/etc/large", text=text),))
    carried = carry(large, KEYFILE, "web-01")
    assert [line.split()[0] for line in unpacked(carried.oem_strings)] == ["imgpipe", "seed"]
    assert sum(map(len, carried.oem_strings)) < MOST_BYTES
    assert base64.b64encode(text.encode()).decode() in carried.seed_files[0][1]


def test_what_is_too_large_for_a_seed_is_refused():
    huge = dataclasses.replace(PUBLIC, files=(WantedFile(path="/etc/huge", text="x" * 2**20, secret=True),))
    with pytest.raises(RecipeError, match="'web-01'"):
        carry(huge, KEYFILE, "web-01")


def test_the_same_identity_is_carried_in_the_same_way():
    assert carry(FULL, KEYFILE, "a") == carry(FULL, KEYFILE, "b")


def test_no_value_can_make_a_line_of_its_own():
    sly = dataclasses.replace(PUBLIC, users=(WantedUser(name="ops", comment="x\npassword cm9vdA== eA=="),))
    assert not [line for line in unpacked(carry(sly, KEYFILE, "m").oem_strings) if line.startswith("password")]


def test_keys_that_are_no_longer_wanted_are_still_spoken_of():
    bare = dataclasses.replace(PUBLIC, keys=())
    assert f"keys {base64.b64encode(b'root').decode()} -" in unpacked(carry(bare, KEYFILE, "m").oem_strings)


@pytest.mark.parametrize("change", [{"hostname": "other"}, {"password_hash": "$6$other$"}, {"nics": ()}])
def test_a_digest_differs_when_anything_does(change):
    assert identity_digest(dataclasses.replace(FULL, **change)) != identity_digest(FULL)
    assert identity_digest(dataclasses.replace(FULL)) == identity_digest(FULL)


def test_a_guest_with_cloud_init_gets_nocloud_documents_and_no_strings():
    carried = carry(FULL, CLOUD, "web-01")
    assert (carried.oem_strings, carried.seed_volume_id) == ((), "cidata")
    files = dict(carried.seed_files)
    assert set(files) == {"meta-data", "user-data", "network-config"}
    meta = yaml.safe_load(files["meta-data"])
    assert meta == {"instance-id": f"web-01-{identity_digest(FULL)}", "local-hostname": FULL.hostname}
    assert files["user-data"].startswith("#cloud-config\n")
    assert set(yaml.safe_load(files["network-config"])["ethernets"]) == {"nic0", "nic1"}


def test_user_data_opens_the_accounts_that_have_a_password():
    data = yaml.safe_load(dict(carry(FULL, CLOUD, "m").seed_files)["user-data"])
    root, ops = data["users"]
    assert root == {"name": "root", "ssh_authorized_keys": list(FULL.keys), "hashed_passwd": HASH, "lock_passwd": False}
    assert (ops["lock_passwd"], ops["groups"], ops["gecos"]) == (False, ["wheel"], "On call")
    assert data["disable_root"] is False
    assert (data["hostname"], data["fqdn"]) == ("web-01", "web-01.example.org")


def test_user_data_writes_files_and_the_digest_after_the_users_are_there():
    data = yaml.safe_load(dict(carry(FULL, CLOUD, "m").seed_files)["user-data"])
    files = {file["path"]: file for file in data["write_files"]}
    assert all(file["defer"] for file in files.values())
    assert base64.b64decode(files["/etc/app/token"]["content"]).decode() == SECRET
    assert files["/etc/app/token"]["permissions"] == "0600"
    assert base64.b64decode(files["/var/lib/imgpipe/identity"]["content"]).decode().strip() == identity_digest(FULL)


def test_windows_with_cloudbase_init_gets_a_seed_of_its_own():
    told = dataclasses.replace(PUBLIC, keys=(), users=(), files=(), password="Good-pass-1")
    carried = carry(told, Personalise(way="cloudbase-init", network="none"), "win-01")
    assert (carried.oem_strings, carried.seed_volume_id) == ((), "cidata")
    files = {name: yaml.safe_load(text) for name, text in carried.seed_files}
    assert files["meta-data"]["local-hostname"] == told.hostname
    assert files["user-data"]["set_hostname"] == told.hostname.partition(".")[0]
    assert files["user-data"]["users"] == [{"name": "Administrator", "passwd": "Good-pass-1", "inactive": False}]
    assert files["network-config"]["version"] == 2
    assert "Good-pass-1" not in repr(carried)
    with pytest.raises(RecipeError, match="no users, files or keys"):
        carry(dataclasses.replace(told, keys=("ssh-ed25519 AAAA",)), Personalise(way="cloudbase-init"), "win-01")


def test_files_of_a_familys_own_go_to_the_root_of_a_seed():
    carried = carry_files([WriteFile(path="/Unattend.xml", content=SECRET)])
    assert (carried.oem_strings, carried.seed_volume_id) == ((), SEED_VOLUME_ID)
    assert dict(carried.seed_files) == {"Unattend.xml": SECRET}
    assert SECRET not in repr(carried)


def test_an_edit_that_needs_the_disk_is_not_carried():
    with pytest.raises(PluginError, match="'Remove'"):
        carry_files([Remove(patterns=("/x",))])


def test_other_ways_are_refused():
    with pytest.raises(PluginError, match="unattend"):
        carry(PUBLIC, Personalise(way="unattend", network="none"), "win-01")
