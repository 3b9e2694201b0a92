"""UEFI variables that somebody left under a new machine's name: no deploy starts from them, and none deletes them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machine
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.errors import HostError
from imgpipe.events import Note

FIRMWARE = Path("/usr/share/qemu/firmware")
pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
    pytest.mark.skipif(os.geteuid() != 0, reason="a session's daemon keeps variables elsewhere"),
    pytest.mark.skipif(not list(FIRMWARE.glob("*.json")), reason="no firmware is installed"),
]
# In the daemon's own mount namespace, where its files are seen.
DEPLOY = """
import sys
sys.path[:] = sys.argv[4].split(":")
from pathlib import Path
from deploy_site import Site, template
from imgpipe.adapters.hypervisor import connect
from imgpipe.errors import RecipeError
from imgpipe.store import Store
from test_variables_of_strangers import wanted
site = Site(Store(Path(sys.argv[1])), connect(sys.argv[2], print), template(Path(sys.argv[3])))
try:
    site.deploy((wanted(site),))
except RecipeError as error:
    print(error, error.hint)
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as made:
        yield made


def wanted(site: Site) -> WantedMachine:
    made = machine("web-001", site.template)
    return replace(made, machine=made.machine.model_copy(update={"firmware": "uefi"}))


def daemon_folder(site: Site) -> Path:
    return Path(parse_qs(urlsplit(site.hypervisor.uri).query)["socket"][0]).parent


def variables(site: Site) -> Path:
    """Return where the daemon, which has its state in its own folder, keeps the machine's variables."""
    return daemon_folder(site) / "state/var/lib/libvirt/qemu/nvram/web-001_VARS.fd"


def plant(site: Site) -> Path:
    path = variables(site)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"of a stranger")
    return path


def broken(*_words: object, **_named: object) -> None:
    raise HostError("no room")


def test_a_deploy_that_fails_before_the_start_deletes_no_variables(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = plant(site)
    monkeypatch.setattr(FolderPool, "overlay", broken)
    with pytest.raises(HostError, match="no room"):
        site.deploy((wanted(site),))
    assert theirs.read_bytes() == b"of a stranger"
    assert site.existing() == ()


def test_the_half_of_a_deploy_that_never_started_is_removed_without_variables(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = plant(site)
    with monkeypatch.context() as patched:
        patched.setattr(FolderPool, "overlay", broken)
        patched.setattr("imgpipe.deploy.making.discard", lambda *_: ())
        with pytest.raises(HostError, match="no room"):
            site.deploy((wanted(site),))
    assert [one.record.complete for one in site.existing() if one.record] == [False]
    site.remove_all()
    assert theirs.read_bytes() == b"of a stranger"
    assert site.existing() == ()


def test_variables_that_the_start_made_go_with_what_was_begun(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    set_record, there = Machines.set_record, []

    def deaf(self: Machines, name: str, record: object) -> None:
        if getattr(record, "complete", False):
            there.append(variables(site).exists())
            broken()
        set_record(self, name, record)  # type: ignore[arg-type]

    monkeypatch.setattr(Machines, "set_record", deaf)
    with pytest.raises(HostError, match="no room"):
        site.deploy((wanted(site),))
    assert there == [True]
    assert not variables(site).exists()
    assert site.existing() == ()
    assert not [event for event in site.heard if isinstance(event, Note) and event.warning]


def test_no_machine_starts_from_variables_of_somebody_else(site: Site) -> None:
    theirs = plant(site)
    pid = (daemon_folder(site) / "pid").read_text().strip()
    places = os.pathsep.join(filter(None, sys.path))
    words = (site.store.root, site.hypervisor.uri, site.template.disk, places)
    entered = ("nsenter", "--target", pid, "--mount", sys.executable, "-c", DEPLOY, *map(str, words))
    done = subprocess.run(entered, capture_output=True, text=True, check=False)
    assert "There are UEFI variables already that 'web-001' would start from" in done.stdout, done.stderr
    assert "Move the file away" in done.stdout
    assert theirs.read_bytes() == b"of a stranger"
    assert site.existing() == ()
    assert [path.name for path in site.folder.iterdir()] == []


def test_variables_go_with_a_whole_machine(site: Site) -> None:
    site.deploy((wanted(site),))
    assert variables(site).exists()
    site.remove_all()
    assert not variables(site).exists()
