"""What ssh and Ansible make of inventories: the programs themselves read them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit" / "deploy"))
from sample_fleets import existing, fleet, plan

from imgpipe.adapters import process
from imgpipe.cli import inventories
from imgpipe.deploy.host_keys import HostKeys

pytestmark = pytest.mark.programs

NAMES = (
    "all",
    "ungrouped",
    "localhost",
    "01",
    "1e5",
    "0x1f",
    "4web",
    "web-01",
    "web",
    "db",
    "a.b",
    "true",
    "fleet_shop",
)


def machines():
    first = plan(fleet(domain="shop.example")).machines[0]
    for index, name in enumerate(NAMES):
        group = {"web": "web", "01": "01", "4web": "ungrouped", "1e5": "all", "db": "db-1", "a.b": "localhost"}
        yield dataclasses.replace(
            existing(first, group=group.get(name, "web"), fleet=f"{index}-f", hostname=f"{name}.shop.example",
                     addresses=(f"10.100.1.{10 + index}/24",), user="ann"),
            name=name,
        )  # fmt: skip


@pytest.fixture
def known(tmp_path):
    return {name: HostKeys(file=tmp_path / "a folder" / f"100%-{name}") for name in NAMES[:-1]}


@pytest.mark.skipif(not process.which("ansible-inventory"), reason="ansible-core is not installed")
def test_ansible_takes_every_name_without_a_warning(known, tmp_path):
    (tmp_path / "hosts.yml").write_text(inventories.ansible(tuple(machines()), known))
    done = subprocess.run(
        ["ansible-inventory", "-i", tmp_path / "hosts.yml", "--list"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "ANSIBLE_HOME": str(tmp_path)},
        executable=process.which("ansible-inventory"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    told = json.loads(done.stdout)
    hosts = told["_meta"]["hostvars"]
    assert len(hosts) == len(NAMES)
    assert {variables["ansible_host"] for variables in hosts.values()} == {
        f"10.100.1.{10 + index}" for index in range(len(NAMES))
    }
    assert all(variables["ansible_user"] == "ann" for variables in hosts.values())
    assert hosts["web-01"]["ansible_ssh_common_args"].split(" -o ")[-2:] == [
        "StrictHostKeyChecking=yes",
        "CheckHostIP=no",
    ]
    assert told["group_ungrouped"]["hosts"] == ["4web"]
    assert told["group_all"]["hosts"] == ["1e5"]
    assert "web" not in told, "a host is called so"
    assert {name for name in told if name.startswith("fleet_")} == {f"fleet_{index}_f" for index in range(len(NAMES))}


@pytest.mark.parametrize("name", NAMES)
def test_ssh_reads_what_was_meant(name, known, tmp_path):
    (tmp_path / "config").write_text("\n".join(inventories.ssh_config(tuple(machines()), known)) + "\n")
    for called in (name, f"{name}.shop.example"):
        told = subprocess.run(
            ["ssh", "-F", tmp_path / "config", "-G", called], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        found = dict(line.split(" ", 1) for line in told if " " in line)
        assert found["hostname"] == f"10.100.1.{10 + NAMES.index(name)}"
        assert (found["user"], found["hostkeyalias"]) == ("ann", name)
        if name in known:
            assert found["stricthostkeychecking"] == "true"
            assert "a folder/100%" in found["userknownhostsfile"]
