"""One machine of a fleet is changed, by the command itself in a real libvirt; later deploys keep it."""

from __future__ import annotations

import json
import subprocess

import pytest

import private_libvirt
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.sizes import GIB
from planned_site import Planned, planned, store  # noqa: F401 (fixtures)
from sample_catalog import add_image  # noqa: F401

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
OPTIONS = "rocky9 --name app --count 2 --vcpus 1 --memory 2G --no-start"


def done(planned: Planned, words: str) -> str:  # noqa: F811
    ran = planned.run(words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def machine(planned: Planned, name: str) -> ExistingMachine:  # noqa: F811
    (found,) = [one for one in Machines(planned.site.hypervisor).list() if one.name == name]
    return found


def test_a_machine_that_was_set_stays_so(planned: Planned) -> None:  # noqa: F811
    other = machine(planned, "web-01")
    done(planned, "machines set web-02 --vcpus 3 --memory 3G --disk 16G --yes")
    found = machine(planned, "web-02")
    assert (found.cpus, found.memory, found.virtual_size, found.active) == (3, 3 * GIB, 16 * GIB, False)
    assert machine(planned, "web-01") == other
    planned_changes = json.loads(done(planned, "deploy {tmp}/before.toml --plan --json"))["changes"]
    assert [change["action"] for change in planned_changes] == ["keep", "keep"]
    done(planned, "deploy {tmp}/before.toml")
    assert machine(planned, "web-02") == found
    done(planned, "machines set web-02 --reset --yes")
    assert (machine(planned, "web-02").cpus, machine(planned, "web-02").virtual_size) == (1, 16 * GIB)


def test_what_is_the_same_is_noted_all_the_same(planned: Planned) -> None:  # noqa: F811
    done(planned, "machines set web-02 --vcpus 1")
    (planned.tmp / "before.toml").write_text((planned.tmp / "before.toml").read_text().replace("cpus = 1", "cpus = 2"))
    done(planned, "deploy {tmp}/before.toml --yes")
    assert (machine(planned, "web-01").cpus, machine(planned, "web-02").cpus) == (2, 1)


def test_a_fleet_of_options_becomes_a_file_that_changes_nothing(planned: Planned) -> None:  # noqa: F811
    done(planned, f"deploy {OPTIONS} --write-fleet {planned.tmp}/app.toml")
    changes = json.loads(done(planned, "deploy {tmp}/app.toml --plan --json"))["changes"]
    assert [(change["action"], change["name"]) for change in changes] == [("keep", "app-01"), ("keep", "app-02")]
    assert done(planned, "machines export-fleet app") == (planned.tmp / "app.toml").read_text()


def test_virsh_is_asked_about_before_it_is_undone(planned: Planned) -> None:  # noqa: F811
    virsh = ("virsh", "-q", "-c", planned.site.hypervisor.uri)
    subprocess.run([*virsh, "setvcpus", "web-02", "4", "--maximum", "--config"], check=True)
    ran = planned.run("deploy {tmp}/before.toml")
    assert ran.returncode == 2
    assert "warning: 'web-02': 1 vCPU instead of 1 of 4 (changed by hand)." in ran.stderr
    assert "Undo what was changed by hand of 'web-02'?" in ran.stderr
    assert machine(planned, "web-02").cpus == 4
    done(planned, "deploy {tmp}/before.toml --yes")
    assert machine(planned, "web-02").cpus == 1
