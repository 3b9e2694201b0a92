"""A daemon that says nothing any more ends a deploy, whatever its threads wait for; the next run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_killed_deploys import DEPLOY

import private_libvirt
from deploy_site import golden_image
from imgpipe.store import Store

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
COUNT = 60


def deploying(root: Path, uri: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", DEPLOY, str(root), uri, str(COUNT), "off"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def machines(uri: str) -> list[str]:
    words = ["virsh", "-q", "-c", uri, "list", "--all", "--name"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def test_a_deploy_whose_daemon_freezes_ends_and_the_next_goes_on(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = Store(tmp_path / "data")
    golden_image(store)
    with private_libvirt.private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}"
        with deploying(store.root, uri) as child:
            end = time.monotonic() + 60
            while len(machines(uri)) < 4:
                assert time.monotonic() < end, "waited for the first machines to be defined"
                assert child.poll() is None, "it was over before the daemon could freeze"
            daemon.freeze()
            try:
                _, told = child.communicate(timeout=120)
            finally:
                child.kill()
                daemon.thaw()
        assert child.returncode == 1
        assert f"The libvirt daemon at '{uri.partition('?')[0]}" in told
        with deploying(store.root, uri) as child:
            assert child.wait(120) == 0
        assert len(machines(uri)) == COUNT
