"""A run is killed anywhere, and somebody else takes the names of its files: they outlive the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machine
from imgpipe.adapters.machines import Machines
from imgpipe.deploy import bring_up
from imgpipe.deploy.wanted import WantedFile, WantedMachine
from imgpipe.errors import RecipeError
from imgpipe.events import Note

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
NAMES = ("web-001.qcow2", "web-001-seed.iso")
RUN = """
import importlib, os, sys
sys.path[:] = sys.argv[1].split(os.pathsep)
from pathlib import Path
from deploy_site import Site, template
from imgpipe.adapters.hypervisor import connect
from imgpipe.store import Store
from test_strangers_in_killed_runs import wanted

root, uri, disk, verb, module, owner, name, when, call = sys.argv[2:]
owner = getattr(importlib.import_module(module), owner)
real, calls = getattr(owner, name), [0]

def deadly(*words, **named):
    calls[0] += 1
    last = calls[0] == int(call)
    if last and when == "before":
        os.kill(os.getpid(), 9)
    found = real(*words, **named)
    if last:
        os.kill(os.getpid(), 9)
    return found

setattr(owner, name, deadly)
site = Site(Store(Path(root)), connect(uri, print), template(Path(disk)))
site.deploy((wanted(site),)) if verb == "deploy" else site.remove_all()
"""
MACHINES = ("imgpipe.adapters.machines", "Machines")
FOLDER = ("imgpipe.adapters.pool_folder", "FolderPool")
VOLUMES = ("imgpipe.adapters.pool_volumes", "VolumePool")
LOCAL = {
    "defined": ("deploy", *MACHINES, "define", "after", 1),
    "disk written": ("deploy", "pathlib", "Path", "hardlink_to", "before", 1),
    "disk made": ("deploy", *FOLDER, "overlay", "after", 1),
    "seed written": ("deploy", "pathlib", "Path", "hardlink_to", "before", 2),
    "seed made": ("deploy", *FOLDER, "write_small", "after", 1),
    "started": ("deploy", *MACHINES, "start", "after", 1),
    "removal begun": ("remove", *FOLDER, "delete", "before", 1),
    "disk deleted": ("remove", "pathlib", "Path", "unlink", "after", 1),
    "volumes deleted": ("remove", *FOLDER, "delete", "after", 1),
}
REMOTE = {
    "defined": ("deploy", *MACHINES, "define", "after", 1),
    "disk made": ("deploy", *VOLUMES, "overlay", "after", 1),
    "disk proven": ("deploy", *MACHINES, "set_record", "after", 1),
    "seed made": ("deploy", *VOLUMES, "write_small", "after", 1),
    "seed proven": ("deploy", *MACHINES, "set_record", "after", 2),
    "started": ("deploy", *MACHINES, "start", "after", 1),
    "removal begun": ("remove", *VOLUMES, "delete", "before", 1),
    "volumes deleted": ("remove", *VOLUMES, "delete", "after", 1),
}
# libvirt's storage API cannot write down what a volume is before it is there.
UNPROVEN = {"disk made": "web-001.qcow2", "seed made": "web-001-seed.iso"}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("local")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    with deploy_site.local_site(folder) as made:
        yield made


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with deploy_site.remote_site(tmp_path_factory.mktemp("remote")) as made:
        yield made


def wanted(site: Site) -> WantedMachine:
    """Return a machine that has a seed, because it is told a secret."""
    return machine("web-001", site.template, identity_files=(WantedFile(path="/etc/t", text="hush", secret=True),))


def killed(site: Site, stage: tuple[object, ...]) -> Path:
    """Kill a run at a stage of its; return the folder of the pool."""
    if stage[0] == "remove":
        site.deploy((wanted(site),))
    places = os.pathsep.join(filter(None, sys.path))
    words = (places, site.store.root, site.hypervisor.uri, site.template.disk, *stage)
    done = subprocess.run([sys.executable, "-c", RUN, *map(str, words)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Machines(site.hypervisor).names() == {"web-001"}
    return site.workshop().pool.path


def again(site: Site, verb: str) -> None:
    site.heard.clear()
    if verb == "deploy":
        site.deploy((wanted(site),))
    else:
        site.remove_all()


def plant(folder: Path, name: str) -> Path:
    """Put a stranger's file where one of the machine's was, or would be."""
    theirs = folder / "theirs"
    theirs.write_bytes(b"of a stranger")
    return theirs.replace(folder / name)


def names(site: Site) -> set[str]:
    pool = site.workshop().pool
    pool.refresh()
    return {name for name in pool.names() if not name.startswith("imgpipe-")}


def assert_whole_then_nothing(site: Site) -> None:
    (there,) = site.existing()
    assert there.record
    assert there.record.complete
    assert names(site) == set(NAMES)
    site.remove_all()
    assert names(site) == set()
    assert site.existing() == ()


def assert_strangers_files_outlive(site: Site, stage: tuple[object, ...], verb: str) -> None:
    folder = killed(site, stage)
    theirs = [plant(folder, name) for name in NAMES]
    try:
        if verb == "deploy":
            with pytest.raises(RecipeError, match="volumes already") as told:
                again(site, verb)
            assert told.value.details == NAMES
        else:
            again(site, verb)
        assert [path.read_bytes() for path in theirs] == [b"of a stranger"] * 2
        notes = [event.text for event in site.heard if isinstance(event, Note) and event.warning]
        pool = site.workshop().pool.name
        assert [name for name in NAMES if any(f"--leftover {pool}/{name}'" in note for note in notes)] == list(NAMES)
        assert site.existing() == ()
    finally:
        for path in theirs:
            path.unlink(missing_ok=True)
        site.workshop().pool.refresh()
    again(site, "deploy")
    assert_whole_then_nothing(site)


CASES = [
    *((stage, "deploy") for stage in LOCAL),
    *((stage, "destroy") for stage in ("defined", "disk made", "started")),
]
OTHERS = [*((stage, "deploy") for stage in REMOTE), ("defined", "destroy"), ("volumes deleted", "destroy")]


@pytest.mark.parametrize(("stage", "verb"), CASES)
def test_a_strangers_files_outlive_the_next_run(local: Site, stage: str, verb: str) -> None:
    assert_strangers_files_outlive(local, LOCAL[stage], verb)


@pytest.mark.parametrize(("stage", "verb"), OTHERS)
def test_a_strangers_volumes_of_another_host_outlive_the_next_run(remote: Site, stage: str, verb: str) -> None:
    assert_strangers_files_outlive(remote, REMOTE[stage], verb)


@pytest.mark.parametrize("stage", LOCAL)
def test_what_is_shown_to_be_ours_is_made_anew(local: Site, stage: str) -> None:
    killed(local, LOCAL[stage])
    again(local, "deploy")
    assert_whole_then_nothing(local)


@pytest.mark.parametrize("stage", REMOTE)
def test_what_another_hosts_libvirt_shows_to_be_ours_is_made_anew(remote: Site, stage: str) -> None:
    killed(remote, REMOTE[stage])
    if stage in UNPROVEN:
        with pytest.raises(RecipeError, match="volumes already") as told:
            again(remote, "deploy")
        assert told.value.details == (UNPROVEN[stage],)
        remote.workshop().pool.delete(*NAMES)
    again(remote, "deploy")
    assert_whole_then_nothing(remote)


def test_hidden_names_that_a_killed_run_left_of_a_whole_machine_go_with_the_next(local: Site) -> None:
    folder = killed(local, ("deploy", *MACHINES, "set_record", "after", 1))
    assert [one.record.complete for one in local.existing() if one.record] == [True]
    assert len([path for path in folder.iterdir() if path.name.startswith(".")]) == 2
    again(local, "deploy")
    assert_whole_then_nothing(local)


def test_a_removal_takes_the_hidden_names_along(local: Site) -> None:
    killed(local, ("deploy", *MACHINES, "set_record", "after", 1))
    bring_up.remove(local.existing(), local.workshop())
    assert names(local) == set()
