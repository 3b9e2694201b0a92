"""A plan, made through the real adapters from what libvirt's test driver has."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pools import planned_pool
from imgpipe.cli import context, deploy, machines, os_list
from imgpipe.deploy.template import FIRST_BOOT
from imgpipe.errors import HostError, RecipeError
from sample_catalog import add_image, store  # noqa: F401

pytestmark = pytest.mark.libvirt


@pytest.fixture
def run(store, add_image, monkeypatch):  # noqa: F811
    monkeypatch.setenv("IMGPIPE_HOME", str(store.root))
    monkeypatch.setenv("IMGPIPE_ACCELERATOR", "tcg")
    context.choose(context.Choices(connect="test:///default"))
    manifest = add_image("rocky9", "20260301.1").folder / "manifest.json"
    table = json.loads(manifest.read_text())
    table["sealed"]["operations"].append(FIRST_BOOT)
    manifest.write_text(json.dumps(table))
    app = typer.Typer()
    app.command("deploy")(deploy.deploy)
    app.add_typer(machines.app, name="machines")
    yield lambda *words: CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    context.choose(context.Choices())


def test_a_plan_is_made_from_what_libvirt_says(run):
    words = ("--count", "3", "--network", "default", "--no-start", "--pool", "default-pool", "--plan", "--json")
    told = json.loads(run("deploy", "rocky9", "--name", "web", *words).stdout)
    assert [change["action"] for change in told["changes"]] == ["make"] * 3
    assert told["uploads"] == ["rocky9@20260301.1"]
    assert told["pool"] == "default-pool"


def test_a_machine_that_libvirt_has_already_is_not_taken_over(run):
    with pytest.raises(RecipeError) as caught:
        run("deploy", "rocky9", "--name", "test", "--network", "lab", "--pool", "default-pool", "--plan")
    network, name = caught.value.details[:2]
    assert "no active network 'lab'" in network
    assert name == "test: libvirt has a machine of this name that imgpipe did not make"


def test_machines_of_others_are_not_listed(run):
    assert json.loads(run("machines", "list", "--json").stdout) == []


def test_a_plan_starts_no_pool_and_takes_none_for_empty_that_it_cannot_look_into(run):
    connected = context.hypervisor(lambda _: None)
    # To the test driver this host's files are no pool's.
    pool = connected.connection.storagePoolLookupByName("default-pool")
    pool.destroy()
    try:
        with pytest.raises(HostError, match="'default-pool' is not active, and a plan does not start it"):
            planned_pool(connected, "default-pool", Path("/nowhere"))
        assert not pool.isActive()
    finally:
        # The driver is one for all tests of this process.
        pool.create(0)
        connected.close()


def test_machines_and_systems_are_listed_as_people_count(run, monkeypatch):
    connected = context.hypervisor(lambda _: None)
    xml = "<domain type='test'><name>{}</name><memory>65536</memory><os><type>hvm</type></os></domain>"
    made = [connected.connection.defineXML(xml.format(name)) for name in ("web-10", "web-9", "web-1")]
    try:
        listed = [machine.name for machine in Machines(connected).list() if machine.name.startswith("web")]
    finally:
        # The driver is one for all tests of this process.
        for domain in made:
            domain.undefine()
        connected.close()
    assert listed == ["web-1", "web-9", "web-10"]


def test_systems_are_listed_by_name_and_release():
    app = typer.Typer()
    app.add_typer(os_list.app, name="os")
    listed = [row["os"] for row in json.loads(CliRunner().invoke(app, ["os", "list", "--json"]).stdout)]
    assert listed.index("rocky8") + 1 == listed.index("rocky9") == listed.index("rocky10") - 1
    assert listed.index("almalinux10") < listed.index("debian12") < listed.index("win10")
