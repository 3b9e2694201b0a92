"""A site on which commands are run as people run them: two images, a fleet, a machine to clone, and leftovers."""

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
from deploy_site import Site
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.template import FIRST_BOOT

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
def planned(tmp_path: Path, tmp_path_factory, add_image, monkeypatch) -> Iterator[Planned]:
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
