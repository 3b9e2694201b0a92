"""The plan of one fleet that has everything, compared with the reviewed one in golden/."""

import dataclasses
import json
from pathlib import Path

import pytest
from sample_fleets import FACTS, HASH, TEMPLATE, WINDOWS, existing, plan, stranger, with_machines

from imgpipe.cli.deploy_views import describe, shown
from imgpipe.deploy.fleet_files import read_fleet
from imgpipe.deploy.resolving import Choices
from imgpipe.os_family import Account
from imgpipe.sizes import GIB

FOLDER = Path(__file__).parent / "golden"
NEWER = dataclasses.replace(TEMPLATE, version="20260401.1", sha256="b" * 64)
TEMPLATES = {"rocky9": NEWER, TEMPLATE.reference: TEMPLATE, "win2016": WINDOWS}
ACCOUNTS = {"web/root": Account(name="root", password_hash=HASH), "web/ann": Account(name="ann", password_hash=HASH)}


def all_at_once():
    """Plan for a host on which nearly everything that can happen did happen."""
    asked = read_fleet(FOLDER / "fleet.toml")
    first = plan(asked, FACTS, templates=TEMPLATES | {"rocky9": TEMPLATE}, accounts=ACCOUNTS)
    machines = {machine.name: machine for machine in first.machines}
    orphan = dataclasses.replace(machines["web-01"], name="web-07", uuid="0" * 8)
    there = with_machines(
        existing(machines["web-01"]),
        existing(machines["web-02"], cpus=1, memory=GIB, virtual_size=15 * GIB),
        existing(machines["web-03"], complete=False, active=False),
        existing(orphan, hostname="web-07.shop.example", addresses=("10.100.1.16/24",), nics=()),
        stranger("vm001"),
        local=False,
        bridges=None,
        direct_io=None,
        memory_free=20 * GIB,
    )
    return [
        plan(asked, there, templates=TEMPLATES, accounts=ACCOUNTS, choices=choices)
        for choices in (Choices(), Choices(prune=True, rebuild=True))
    ]


@pytest.fixture(scope="module")
def made():
    kept, renewed = all_at_once()
    return {
        "plan.txt": describe(kept) + "\n",
        "plan.json": json.dumps(shown(kept), indent=1) + "\n",
        "plan-prune-rebuild.txt": describe(renewed) + "\n",
    }


@pytest.mark.parametrize("name", ["plan.txt", "plan.json", "plan-prune-rebuild.txt"])
def test_a_fleet_becomes_what_was_reviewed(name, made, request):
    if request.config.getoption("--update-golden"):
        (FOLDER / name).write_text(made[name])
    assert made[name] == (FOLDER / name).read_text()


def test_no_secret_is_in_what_is_shown_of_a_plan(made):
    for text in made.values():
        assert HASH not in text
        assert "hunter2" not in text
