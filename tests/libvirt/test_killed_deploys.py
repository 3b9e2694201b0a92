"""A deploy that is killed anywhere, and run again, ends the same; interrupted, it removes what is not complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import private_libvirt
from deploy_site import Site, local_site, machines
from imgpipe.adapters.pools import open_pool

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
COUNT = 12
DEPLOY = """
import sys
from pathlib import Path
from deploy_site import Site, machines, template
from imgpipe.adapters.hypervisor import connect
from imgpipe.store import Store

root, uri, count, start = sys.argv[1:]
store = Store(Path(root))
made_from = template(store.images / "tiny" / "20260301.1" / "golden.qcow2")
site = Site(store, connect(uri, print), made_from)
machines = machines(int(count), made_from, start=start == "start")
print("begin", flush=True)
site.deploy(machines)
print("end", flush=True)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("killed")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    with local_site(folder) as made:
        yield made


@contextmanager
def deploying(site: Site, count: int, start: str = "off") -> Iterator[subprocess.Popen[str]]:
    """Run a deploy; it is over after the block, one way or another."""
    words = [sys.executable, "-c", DEPLOY, str(site.store.root), site.hypervisor.uri, str(count), start]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begin\n"
        try:
            yield child
        finally:
            child.kill()


def wait_for_machines(site: Site, count: int, child: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while len(site.existing()) < count:
        assert time.monotonic() < end
        assert child.poll() is None, "it was over before it could be killed"
        time.sleep(0.001)


def assert_whole_then_nothing(site: Site, count: int) -> None:
    there = site.existing()
    assert len(there) == count
    assert all(one.record and one.record.complete for one in there)
    assert {path.name for path in site.folder.iterdir()} == {f"{one.name}.qcow2" for one in there}
    site.remove_all()
    assert site.existing() == ()
    assert list(site.folder.iterdir()) == []


@pytest.mark.parametrize("defined", [1, 6, COUNT])
def test_a_killed_deploy_is_finished_by_the_next(site: Site, defined: int) -> None:
    with deploying(site, COUNT) as child:
        wait_for_machines(site, defined, child)
    # Once all are defined, a fast host may complete them before it is seen.
    assert defined == COUNT or any(one.record and not one.record.complete for one in site.existing())
    site.deploy(machines(COUNT, site.template, start=False))
    assert_whole_then_nothing(site, COUNT)


def test_one_that_was_killed_while_machines_start_is_finished(site: Site) -> None:
    with deploying(site, 2, "start") as child:
        end = time.monotonic() + 120
        while not site.workshop().machines.active() and child.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.01)
    site.deploy(machines(2, site.template))
    assert all(one.active for one in site.existing())
    assert_whole_then_nothing(site, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_deploy_leaves_whole_machines_only(site: Site, number: signal.Signals) -> None:
    with deploying(site, 200) as child:
        wait_for_machines(site, 100, child)
        child.send_signal(number)
        assert child.wait(120) != 0
    there = site.existing()
    assert all(one.record and one.record.complete for one in there)
    assert {path.name for path in site.folder.iterdir()} == {f"{one.name}.qcow2" for one in there}
    site.remove_all()


def test_the_half_of_a_killed_deploy_can_be_destroyed(site: Site) -> None:
    with deploying(site, COUNT) as child:
        wait_for_machines(site, 3, child)
    assert site.existing()
    site.remove_all()
    assert site.existing() == ()
    assert list(site.folder.iterdir()) == []


def test_two_data_roots_have_pools_of_their_own(site: Site, tmp_path: Path) -> None:
    pools = [open_pool(site.hypervisor, None, folder, print) for folder in (site.folder, tmp_path / "machines")]
    assert [pool.path for pool in pools] == [site.folder, tmp_path / "machines"]
    assert pools[0].name == "imgpipe"
    assert pools[1].name.startswith("imgpipe-")
