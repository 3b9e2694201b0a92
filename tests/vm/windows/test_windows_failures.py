"""Installations of Windows that go wrong: each is found, and ends with its reason and nothing left behind.

What else can be wrong with a disk after power-off (UNDEPLOYABLE, dirty, hibernated, a driver) is tried on prepared
disks in test_sealed_windows.py; here machines run.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from command import Command
from imgpipe.adapters.hypervisor import connect
from imgpipe.artifacts import SeedMedia
from imgpipe.errors import GuestError
from imgpipe.stages.install import install_patiently
from imgpipe.stages.seed import write_seed
from imgpipe.store import Store
from imgpipe.watch.silence import patience
from imgpipe.workplace import Workplace
from private_libvirt import lacking, private_libvirt
from windows_builds import PASSWORD, POWER_OFF, RESET, bare_medium, medium, windows_plan

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(lacking()), reason=lacking())]

# Long enough for an emulated machine that works, and no longer.
BORNE = replace(patience("tcg"), idle_s=20)


class Site:
    """A daemon and a data root of one test."""

    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.folder = folder
        self.heard = []

    def fail(self, plan, windows, *, seeded):
        """Install, and return the error that it ends with."""
        hypervisor = connect(self.daemon.uri, self.heard.append)
        place = Workplace(store=Store(self.folder / "data"), hypervisor=hypervisor, notify=self.heard.append)
        seed = write_seed(plan, windows, place) if seeded else SeedMedia(folder=self.folder, digests=())
        try:
            with pytest.raises(GuestError) as caught:
                install_patiently(plan, windows, seed, place, BORNE)
        finally:
            hypervisor.close()
        assert not list(self.folder.rglob("installed.qcow2*"))
        assert self.daemon.machines() == []
        error = caught.value
        assert not any(PASSWORD in line for line in (str(error), error.hint, *error.details))
        return error


@pytest.fixture(scope="module")
def daemon():
    with private_libvirt() as running:
        yield running


@pytest.fixture
def site(daemon, monkeypatch):
    monkeypatch.setenv("IMGPIPE_ACCELERATOR", os.environ.get("IMGPIPE_ACCELERATOR", "tcg"))
    # Not tmp_path, whose parents QEMU's user may not pass through.
    with tempfile.TemporaryDirectory(prefix="lw-", dir=daemon.folder) as name:
        Path(name).chmod(0o755)
        yield Site(daemon, Path(name))


@pytest.fixture(scope="module")
def stand_ins(data):
    """The stand-in Setup medium, with the drivers' beside it."""
    made = {}
    for name in ("windows-setup-stand-in", "virtio-win-stand-in"):
        Command(data, "media", "make", name).succeed()
        made[name] = max((data / "cache" / "made").glob(f"{name}-*.iso"), key=lambda path: path.stat().st_mtime)
    return medium(made["windows-setup-stand-in"], medium(made["virtio-win-stand-in"], name="virtio"))


def test_a_boot_loop_is_found(site, plugins):
    error = site.fail(windows_plan(plugins), bare_medium(site.folder / "m.iso", RESET), seeded=False)
    assert str(error) == "The machine reboots again and again."


def test_power_off_alone_is_no_success(site, plugins):
    error = site.fail(windows_plan(plugins), bare_medium(site.folder / "m.iso", POWER_OFF), seeded=False)
    assert "switched itself off, but is not sealed" in str(error)


def test_a_dialog_that_waits_is_found_and_pictured(site, plugins, stand_ins):
    error = site.fail(windows_plan(plugins, "dialog"), stand_ins, seeded=True)
    assert str(error).startswith("The machine has done nothing for ")
    assert "screenshot.png" in error.hint
    assert list(site.folder.rglob("screenshot.png"))


def test_a_sysprep_that_failed_is_found_behind_the_power_off_with_windows_own_reason(site, plugins, stand_ins):
    error = site.fail(windows_plan(plugins, "no-tag"), stand_ins, seeded=True)
    assert "Imgpipe.StandIn_1.0_x64" in str(error)
    assert "found: Sysprep did not succeed: 'Sysprep_succeeded.tag' is missing" in error.details
