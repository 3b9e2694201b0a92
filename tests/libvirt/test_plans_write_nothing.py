"""Whatever only plans changes nothing: not the data root, not its pools and volumes, not what libvirt has defined."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.template import FIRST_BOOT
from sample_catalog import add_image  # noqa: F401

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
IMGPIPE = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")
SOURCE = """<domain type='qemu'><name>vm001</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface></devices></domain>"""
FLEET = """name = "web"
[groups.web]
template = "rocky9"
names = {names}
nics = [{{ user = true }}]
linked = true
start = false
cpus = {cpus}
"""


@pytest.fixture
def store(tmp_path: Path):
    return deploy_site.Store(tmp_path / "data")


@dataclass
class Planned:
    """A site with images of two versions, a fleet, a machine to clone, and leftovers: there is work for each plan."""

    site: Site
    tmp: Path

    def run(self, words: str) -> subprocess.CompletedProcess[str]:
        home = self.tmp / "home"
        env = {**os.environ, "IMGPIPE_HOME": str(self.site.store.root), "IMGPIPE_ACCELERATOR": "tcg", "HOME": str(home)}
        argv = [*IMGPIPE, "--connect", self.site.hypervisor.uri, *words.format(tmp=self.tmp).split()]
        return subprocess.run(
            argv, capture_output=True, text=True, env=env, cwd=home, check=False, stdin=subprocess.DEVNULL
        )

    def everything(self) -> dict[str, object]:
        """Return all files with what is in them, and all definitions of machines, pools and networks."""
        connection = self.site.hypervisor.connection
        found: dict[str, object] = {str(path): state_of(path) for path in (self.tmp, *self.tmp.rglob("*"))}
        for domain in connection.listAllDomains():
            found[f"machine {domain.name()}"] = (domain.XMLDesc(2), domain.isActive(), domain.autostart())
        for pool in connection.listAllStoragePools():
            # libvirt's 1 is "as it is defined": how much room is left changes by itself.
            found[f"pool {pool.name()}"] = (pool.XMLDesc(1), pool.isActive(), pool.autostart())
        found["networks"] = sorted(network.name() for network in connection.listAllNetworks())
        return found


def state_of(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    return (
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_nlink,
        status.st_mtime_ns,
        status.st_ctime_ns,
        content,
    )


@pytest.fixture
def planned(tmp_path: Path, tmp_path_factory, add_image, monkeypatch) -> Iterator[Planned]:  # noqa: F811
    with deploy_site.local_site(tmp_path) as site:
        for version in ("20260228.1", "20260301.1"):
            image = add_image("rocky9", version)
            image.disk.chmod(0o644)
            image.disk.write_bytes(site.template.disk.read_bytes())
            manifest = image.folder / "manifest.json"
            told = json.loads(manifest.read_text())
            told["sealed"]["operations"].append(FIRST_BOOT)
            told["image"] |= {"size": image.disk.stat().st_size, "virtual_size": deploy_site.SIZE}
            manifest.write_text(json.dumps(told))
        disk = tmp_path / "vm001.qcow2"
        disk.write_bytes(site.template.disk.read_bytes())
        Machines(site.hypervisor).define(SOURCE.format(disk=disk))
        unfinished = site.store.work("0123456789abcdef") / "installed.qcow2.partial"
        unfinished.write_bytes(b"half")
        (tmp_path / "home").mkdir()
        # Python itself tries a file in the folder of temporary files, whoever asks where that is.
        monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        made = Planned(site, tmp_path)
        (tmp_path / "before.toml").write_text(FLEET.format(names='["web-01", "web-02"]', cpus=1))
        (tmp_path / "after.toml").write_text(FLEET.format(names='["web-02", "web-03"]', cpus=2))
        first = made.run("deploy {tmp}/before.toml --yes")
        assert first.returncode == 0, first.stderr
        yield made


# What is planned, and a word of its answer that it only has where there was something to plan.
PLANS = {
    "plan rocky9": "rocky9",
    "plan rocky9 --json": '"name"',
    "deploy {tmp}/after.toml --plan": "web-03",
    "deploy {tmp}/after.toml --prune --plan --json": '"remove"',
    "clone vm001 vm005 vm006 --plan": "vm006",
    "clone vm001 vm005 --linked --plan --json": '"planned"',
    "images prune --keep 1 --dry-run": "rocky9@20260228.1",
    "images prune --leftovers --dry-run --json": "installed.qcow2.partial",
}
# What asks first, where nobody can be asked.
UNANSWERED = (
    "images prune --keep 1",
    "images prune --leftovers",
    "images rm rocky9@20260228.1",
    "machines destroy web-01",
    "machines destroy --leftover nobodys.qcow2",
    "machines forget web-01",
    "clone vm001 vm005 --linked",
    "deploy {tmp}/after.toml --prune",
)


def test_what_only_plans_has_an_answer_and_changes_nothing(planned: Planned) -> None:
    for words, told in PLANS.items():
        before = planned.everything()
        done = planned.run(words)
        assert (done.returncode, told in done.stdout) == (0, True), (words, done.stdout, done.stderr)
        assert planned.everything() == before, words


def test_what_asks_first_changes_nothing_without_an_answer(planned: Planned) -> None:
    (planned.site.folder / "nobodys.qcow2").write_bytes(b"x")
    locks = planned.site.store.root / "locks"
    for words in UNANSWERED:
        before = planned.everything()
        done = planned.run(words)
        assert (done.returncode, "Nobody can be asked" in done.stderr) == (2, True), (words, done.stdout, done.stderr)
        after = planned.everything()
        # The question is asked under the fleet's lock.
        assert {key for key in before | after if before.get(key) != after.get(key)} <= {f"{locks}/fleet-web.lock"}


# What is refused, and a word of why; nobody made imgpipe's pool yet.
REFUSED = {
    "deploy nope --name db": "There is no image 'nope'",
    "deploy nope --name db --plan": "There is no image 'nope'",
    "deploy rocky9 --name db --bridge nope0": "no bridge 'nope0'",
    "deploy rocky9 --name db_1": "'db_1' is no name for machines",
    "deploy rocky9 --name db --memory 900000G": "memory",
    "deploy rocky9 --name db --pool nope": "There is no storage pool 'nope'",
    "clone nope vm005": "There is no machine 'nope'",
    "clone vm001 web-01": "web-01",
    "machines destroy nope --yes": "'nope'",
    "machines destroy --leftover nope.qcow2 --yes": "has no volume 'nope.qcow2'",
    "flatten nope": "'nope'",
}


def test_what_is_refused_makes_and_starts_no_pool(planned: Planned) -> None:
    connection = planned.site.hypervisor.connection
    pool = connection.storagePoolLookupByName("imgpipe")
    for undo in (pool.destroy, pool.undefine):
        undo()
        for words, told in REFUSED.items():
            before = planned.everything()
            done = planned.run(words)
            assert (done.returncode, told in done.stderr) == (2, True), (words, done.stdout, done.stderr)
            after = planned.everything()
            changed = {key for key in before | after if before.get(key) != after.get(key)}
            # A lock is held while it is judged.
            assert not {key for key in changed if "/locks" not in key}, words


def test_a_pool_that_is_off_or_gone_is_there_again_for_what_is_not_refused(planned: Planned) -> None:
    connection = planned.site.hypervisor.connection
    for undone in (("destroy",), ("destroy", "undefine")):
        pool = connection.storagePoolLookupByName("imgpipe")
        for undo in undone:
            getattr(pool, undo)()
        done = planned.run("deploy {tmp}/before.toml --yes")
        assert done.returncode == 0, done.stderr
        assert connection.storagePoolLookupByName("imgpipe").isActive()
