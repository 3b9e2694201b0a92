import pytest
from sample_fleets import HASH, KEY

from imgpipe.deploy.accounts import accounts_of
from imgpipe.deploy.fleet_files import Flags, fleet_of_flags, read_fleet
from imgpipe.errors import RecipeError
from imgpipe.passwords import Vault
from imgpipe.settings import checkout

FLEET = """
name = "shop"
[groups.web]
template = "rocky9"
count = 2
[groups.web.root]
key_files = ["keys.pub"]
password = {file = "root.hash"}
[[groups.web.users]]
name = "ann"
password = {env = "ANN"}
[[groups.web.files]]
path = "/etc/motd"
source = "motd"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "fleet.toml").write_text(FLEET)
    (tmp_path / "keys.pub").write_text(f"# mine\n\n{KEY}\n{KEY}\n")
    (tmp_path / "root.hash").write_text(HASH + "\n")
    (tmp_path / "motd").write_text("welcome\n")
    return tmp_path


def test_what_a_fleet_names_is_read_beside_it(folder):
    web = read_fleet(folder / "fleet.toml").group("web")
    assert web.root.keys == (KEY,)
    assert [(file.path, file.text, file.source) for file in web.files] == [("/etc/motd", "welcome\n", None)]


def test_all_files_that_are_not_what_they_should_be_are_told_at_once(folder):
    (folder / "keys.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
    (folder / "motd").unlink()
    with pytest.raises(RecipeError) as caught:
        read_fleet(folder / "fleet.toml")
    keys, motd = caught.value.details
    assert keys.startswith("groups.web.root.key_files.0: line 1 of ")
    assert "PRIVATE" not in keys
    assert motd.startswith("groups.web.files.0.source: ")


def test_a_fleet_that_is_no_toml_is_told_with_its_name(tmp_path):
    (tmp_path / "x.toml").write_text("name = \n")
    with pytest.raises(RecipeError, match=r"x\.toml"):
        read_fleet(tmp_path / "x.toml")


def test_passwords_are_hashed_and_a_hash_is_taken_as_it_is(folder):
    accounts = accounts_of(read_fleet(folder / "fleet.toml"), Vault(environ={"ANN": HASH}, salt=b"x" * 32))
    assert {name: account.password_hash for name, account in accounts.items()} == {"web/root": HASH, "web/ann": HASH}
    assert HASH not in repr(accounts)


def test_every_missing_password_is_told(folder):
    (folder / "root.hash").unlink()
    with pytest.raises(RecipeError) as caught:
        accounts_of(read_fleet(folder / "fleet.toml"), Vault(environ={}, salt=b"x" * 32))
    assert [line.partition(":")[0] for line in caught.value.details] == ["password of 'root'", "password of 'ann'"]


def names(fleet):
    return [name for group in fleet.groups for name in fleet.group(group).machines(group)]


def test_flags_with_a_count_number_the_machines():
    fleet = fleet_of_flags(Flags(template="rocky9", name="web", count=3, memory="4 GiB"))
    assert (fleet.name, names(fleet)) == ("web", ["web-01", "web-02", "web-03"])
    assert fleet.group("web").memory == 4 * 2**30


def test_flags_without_a_count_are_one_machine_of_that_name():
    assert names(fleet_of_flags(Flags(template="rocky9", name="db"))) == ["db"]


def test_a_pattern_on_the_command_line_names_the_fleet_without_its_number():
    fleet = fleet_of_flags(Flags(template="rocky9", name="vm{n:03}", count=2, first=5))
    assert (fleet.name, names(fleet)) == ("vm", ["vm005", "vm006"])


def test_addresses_belong_to_the_nics_in_their_order():
    flags = Flags(
        template="rocky9",
        name="web",
        bridges=("br1", "br2"),
        addresses=("dhcp", "10.100.1.10-10.100.1.59/24"),
        gateway="10.100.1.1",
        dns=("10.100.1.2",),
    )
    outside, inside = fleet_of_flags(flags).group("web").nics
    assert (outside.bridge, outside.range) == ("br1", None)
    assert (inside.bridge, str(inside.gateway), str(inside.dns[0])) == ("br2", "10.100.1.1", "10.100.1.2")


def test_without_a_plug_a_machine_gets_qemus_own_network():
    assert [nic.kind for nic in fleet_of_flags(Flags(template="rocky9", name="web")).group("web").nics] == ["user"]


@pytest.mark.parametrize(
    "flags",
    [
        {"addresses": ("10.0.0.2/24", "10.0.1.2/24")},
        {"gateway": "10.0.0.1"},
        {"name": "Web"},
        {"memory": "lots"},
        {"cpus": 0},
        {"template": "rocky9@newest"},
        {"root_password": "hunter2"},
    ],
)
def test_flags_that_make_no_sense_are_refused(flags):
    with pytest.raises(RecipeError) as caught:
        fleet_of_flags(Flags(**{"template": "rocky9", "name": "web"} | flags))
    assert "hunter2" not in f"{caught.value}{caught.value.details}{caught.value.hint}"


def test_a_root_password_is_named_by_file_or_variable():
    root = fleet_of_flags(Flags(template="rocky9", name="web", root_password="env:PW")).group("web").root
    assert root.password.env == "PW"


def test_the_example_in_the_documentation_is_a_fleet(tmp_path, monkeypatch):
    text = (checkout() / "docs" / "fleets.md").read_text()
    (tmp_path / "fleet.toml").write_text(text.partition("```toml\n")[2].partition("```")[0])
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text(KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    fleet = read_fleet(tmp_path / "fleet.toml")
    assert len(names(fleet)) == 52
    assert fleet.group("db").root.keys == (KEY,)


def test_a_disk_named_by_its_path_is_looked_up_beside_the_fleet(folder):
    (folder / "fleet.toml").write_text('name = "old"\n[groups.web]\ntemplate = "./old.qcow2"\ncount = 1\n')
    assert read_fleet(folder / "fleet.toml").group("web").template == str(folder / "old.qcow2")


def test_a_password_of_a_group_leaves_the_keys_of_the_defaults(folder):
    """What a group does not say of root, the defaults say: also where keys come from files."""
    (folder / "fleet.toml").write_text("""
        name = "shop"
        [defaults]
        template = "rocky9"
        root = {key_files = ["keys.pub"]}
        [groups.web]
        count = 2
        root = {password = {env = "WEB_PW"}}
        [machines.web-02]
        root = {password = {env = "OWN_PW"}}
        """)
    asked = read_fleet(folder / "fleet.toml").shapes()
    assert asked["web"].root.keys == asked["machines.web-02"].root.keys == (KEY,)
    assert asked["machines.web-02"].root.password.env == "OWN_PW"
