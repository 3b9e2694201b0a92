"""A libvirt that remembers what it was told, for the commands `deploy` and `machines`."""

import dataclasses
import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import typer
from sample_fleets import FACTS, KEY, existing, with_machines
from typer.testing import CliRunner

from imgpipe.cli import deploy as command
from imgpipe.cli import machines as machines_command
from imgpipe.cli import shop
from imgpipe.deploy.changes import Remove
from imgpipe.deploy.definition_files import NamedFiles
from imgpipe.deploy.definitions import HostPolicy
from imgpipe.deploy.workshop import Workshop
from imgpipe.errors import HostError, RecipeError
from imgpipe.images.disk_uses import DiskUses

FLEET = f"""
name = "shop"
[groups.web]
template = "rocky9"
count = 2
disk = "2 GiB"
root = {{keys = ["{KEY}"]}}
[[groups.web.nics]]
bridge = "br1"
addresses = "10.100.1.10-10.100.1.19/24"
"""


def reported(**changes):
    """Return what a guest writes to its port: the end of an old line, then a report."""
    told = {
        "version": 1, "hostname": "web-01", "machine_id": "", "host_keys": [], "nics": [], "gateways": [],
        "identity": "", "state": "running", "failed": [], "problems": [],
    } | changes  # fmt: skip
    return f'ems":[]}}\n{json.dumps(told)}\n'.encode()


class Host:
    """A libvirt that remembers what it was told."""

    uri = "test:///fake"
    local = True

    def __init__(self, store):
        self.facts = FACTS
        self.applied = []
        self.waited = []
        self.said = []
        self.deaf = set()
        self.ports = {}
        self.snapshots = {}
        policy = HostPolicy(folder=store.root, accelerator="tcg")
        self.shop = Workshop(
            machines=self,
            pool=SimpleNamespace(path=store.root / "machines"),
            pool_of=lambda _: None,
            policy=policy,
            store=store,
            notify=shop.hear,
        )

    def list(self, *, sizes=True):
        return self.facts.machines

    def find(self, name):
        for one in self.facts.machines:
            if one.name == name:
                return one
        raise RecipeError(f"There is no machine '{name}'.")

    def set_record(self, name, record):
        changed(self, name, record=record)

    def open_port(self, name, port):
        if name not in self.ports:
            raise HostError("There is no such port.")
        return SimpleNamespace(read=lambda: self.ports[name], ended=False, close=lambda: None)

    def named_files(self):
        return tuple(
            NamedFiles(name=one.name, uuid=one.uuid, disks=(), nvram=frozenset(), files=frozenset({one.disk}))
            for one in self.facts.machines
        )

    def snapshot_files(self, name):
        return frozenset(self.snapshots.get(name, ()))

    def is_there(self, path):
        return not path.endswith(".gone")

    def disk_uses(self):
        return DiskUses(uri=self.uri, local=False)

    def disk_uses_elsewhere(self):
        return ()

    def drop_record(self, name):
        self.said.append(("drop_record", name))

    def start(self, name):
        self.said.append(("start", name))

    def stop(self, name, seconds):
        self.said.append(("stop", name))
        return name not in self.deaf

    def force_stop(self, name):
        self.said.append(("force_stop", name))

    def apply(self, changes, shop):
        self.applied += changes
        gone = {change.existing.name for change in changes if isinstance(change, Remove)}
        made = {change.machine.name: existing(change.machine) for change in changes if not isinstance(change, Remove)}
        kept = [one for one in self.facts.machines if one.name not in gone | set(made)]
        self.facts = with_machines(*kept, *made.values())

    def wait(self, wanted, machines, seconds, notify, accelerator):
        assert accelerator in {"kvm", "tcg"}
        self.waited += [machine.name for machine in wanted]
        return {machine.name: None for machine in wanted}


def changed(host, name, **changes):
    """Let a machine be something else behind imgpipe's back."""
    host.facts = with_machines(
        *(dataclasses.replace(one, **(changes if one.name == name else {})) for one in host.facts.machines)
    )


@pytest.fixture
def host(store, monkeypatch):
    made = Host(store)
    monkeypatch.setenv("IMGPIPE_HOME", str(store.root))

    @contextmanager
    def connected(planned=False):
        yield made

    def open_shop(hypervisor, pool, manner):
        made.pool, made.manner = pool, manner
        return made.shop

    monkeypatch.setattr(shop, "connected", connected)
    monkeypatch.setattr(shop, "open_shop", open_shop)
    monkeypatch.setattr(shop, "with_pool", lambda made, *_: made)
    monkeypatch.setattr("imgpipe.deploy.facts.gather", lambda *_: made.facts)
    monkeypatch.setattr("imgpipe.deploy.bring_up.apply", made.apply)
    monkeypatch.setattr("imgpipe.deploy.waiting.wait_until_up", made.wait)
    monkeypatch.setattr("imgpipe.adapters.machines.Machines", lambda _: made)
    return made


@pytest.fixture
def run(host):
    app = typer.Typer()
    app.command("deploy")(command.deploy)
    app.add_typer(machines_command.app, name="machines")

    def invoke(*words, answer=None):
        return CliRunner().invoke(app, list(map(str, words)), input=answer, catch_exceptions=False)

    return invoke


@pytest.fixture
def shop_toml(tmp_path, add_image):
    add_image("rocky9", "20260301.1")
    path = tmp_path / "shop.toml"
    path.write_text(FLEET)
    return path
