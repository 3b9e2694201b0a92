import re
from pathlib import Path

import pytest
from sample_fleets import fleet

from imgpipe.errors import RecipeError


def faults(text="", **changes):
    with pytest.raises(RecipeError) as caught:
        fleet(text, **changes) if text else fleet(**changes)
    return caught.value.details


def test_a_key_of_a_group_replaces_that_of_the_defaults():
    asked = fleet("""
        name = "shop"
        [defaults]
        template = "rocky9"
        memory = "4 GiB"
        [defaults.root]
        keys = ["ssh-ed25519 AAAA ann"]
        [groups.web]
        count = 2
        [groups.db]
        names = ["db1"]
        memory = "8 GiB"
        [groups.db.root]
        password = {env = "DB_PW"}
        """)
    web, db = asked.group("web"), asked.group("db")
    assert (web.template, web.memory, web.root.keys) == ("rocky9", 4 * 2**30, ("ssh-ed25519 AAAA ann",))
    assert (db.template, db.memory, db.root.keys) == ("rocky9", 8 * 2**30, web.root.keys)
    assert (web.root.password, db.root.password.env) == (None, "DB_PW")


def test_a_default_that_is_said_in_a_group_wins_over_the_fleets():
    asked = fleet("""
        name = "shop"
        [defaults]
        template = "rocky9"
        linked = false
        [groups.web]
        count = 1
        linked = true
        """)
    assert asked.group("web").linked


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"memori": "2 GiB"}, "groups.web.memori"),
        ({"count": 3, "names": ["a"]}, "groups.web"),
        ({"memory": "much"}, "groups.web.memory"),
        ({"pattern": "web"}, "groups.web.pattern"),
        ({"pattern": "-{n}"}, "(the file)"),
        ({"template": "rocky9@newest"}, "groups.web.template"),
        ({"files": [{"path": "/etc/../x", "text": ""}]}, "groups.web.files.0.path"),
        ({"files": [{"path": "relative", "text": ""}]}, "groups.web.files.0.path"),
        ({"files": [{"path": "/a", "text": "", "mode": "0999"}]}, "groups.web.files.0.mode"),
        ({"files": [{"path": "/a", "text": "", "source": "b"}]}, "groups.web.files.0"),
        ({"files": [{"path": "/a", "text": ""}, {"path": "/a", "text": ""}]}, "groups.web"),
        ({"users": [{"name": "root"}]}, "groups.web"),
        ({"root": {"password": {"file": "a", "env": "B"}}}, "groups.web.root.password"),
        ({"nics": [{"bridge": "br1", "network": "default"}]}, "groups.web.nics.0"),
        ({"nics": [{"user": True, "addresses": "10.0.0.1-10.0.0.9/24"}]}, "groups.web.nics.0"),
        ({"nics": [{"bridge": "br1", "addresses": "10.0.0.9-10.0.0.1/24"}]}, "groups.web.nics.0.addresses"),
        ({"nics": [{"bridge": "br1", "gateway": "10.0.0.1"}]}, "groups.web.nics.0"),
        ({"nics": [{"bridge": "br1", "fixed": {"web-01": "10.0.0.1"}}]}, "groups.web.nics.0.fixed.web-01"),
        (
            {"nics": [{"bridge": "br1", "addresses": "10.0.0.2-10.0.0.9/24", "gateway": "10.0.1.1"}]},
            "groups.web.nics.0",
        ),
    ],
)
def test_a_fault_names_its_key(changes, key):
    assert [fault.partition(": ")[0] for fault in faults(**changes)] == [key]


def test_all_faults_are_told_at_once():
    assert len(faults('nam = "x"\n[groups.web]\ncpus = 0\ncolour = "red"')) >= 4


@pytest.mark.parametrize("address", ["10.0.0.0/24", "10.0.0.255/24", "10.0.0.1/24", "10.0.0.53/24"])
def test_a_fixed_address_must_be_one_that_a_machine_may_have(address):
    nic = {"bridge": "br1", "gateway": "10.0.0.1", "dns": ["10.0.0.53"], "fixed": {"web-01": address}}
    assert "fixed.web-01" in faults(nics=[nic])[0]


def test_a_machine_has_one_way_out():
    nics = [
        {"bridge": bridge, "addresses": f"10.0.{index}.2-10.0.{index}.9/24", "gateway": f"10.0.{index}.1"}
        for index, bridge in enumerate(("br1", "br2"))
    ]
    assert "one way out" in faults(nics=nics)[0]


def test_the_text_of_a_file_is_in_no_message_and_no_repr():
    secret = {"path": "/etc/token", "text": "hunter2", "secret": True}
    assert "hunter2" not in repr(fleet(files=[secret]))
    assert "hunter2" not in " ".join(faults(files=[{**secret, "mode": "rw"}]))


def test_the_schema_describes_what_an_editor_completes():
    from imgpipe.deploy.fleet import Fleet

    shape = Fleet.model_json_schema()
    assert set(shape["properties"]) == {"name", "id", "pool", "defaults", "groups", "machines"}
    assert list(shape["properties"]["machines"]["patternProperties"].values()) == [{"$ref": "#/$defs/Shape"}]
    assert "count" in shape["$defs"]["Group"]["properties"]


def test_the_example_of_the_documentation_makes_machines_with_one_way_out():
    text = (Path(__file__).parents[3] / "docs" / "fleets.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0].replace('key_files = ["~/.ssh/id_ed25519.pub"]', "")
    asked = fleet(example)
    for name in asked.groups:
        nics = asked.group(name).nics
        assert len([nic for nic in nics if nic.gateway or not (nic.range or nic.fixed)]) <= 1
    (command,) = re.findall(r"imgpipe deploy .*?--addresses dhcp.*?\n\n", text, re.DOTALL)
    assert "--gateway" not in command
