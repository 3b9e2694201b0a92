"""The demo from nothing to a golden image, and what the next builds make of it."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from command import Command, wait_until_gone
from imgpipe.adapters import qemu_img

pytestmark = pytest.mark.vm
PASSWORD = {"IMGPIPE_ROOT_PASSWORD": "not in any file"}


@pytest.fixture(scope="module")
def folder(demo):
    return Path(demo[0].image["path"]).parent


@pytest.fixture(scope="module")
def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_the_stages_run_in_order_and_each_succeeds(demo):
    finished = [told["stage"] for told in demo[0].named("stage_finished")]
    assert finished == ["seed", "install", "sysprep", "verify", "publish"]
    assert demo[0].reused() == []


def test_progress_tells_the_installers_phases_and_counts_packages(demo):
    told = demo[0].named("progress", stage="install")
    counted = [item for item in told if item.get("total")]
    assert counted[-1]["done"] <= counted[-1]["total"]
    assert counted[-1]["total"] > 100
    percents = [item["percent"] for item in told if item.get("percent") is not None]
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_second_build_at_the_same_time_waits_and_finds_the_image_made(demo):
    first, second = demo
    assert any("waiting" in told["text"] for told in second.named("note"))
    assert (second.image["version"], second.image["state"]) == (first.image["version"], "unchanged")
    assert second.named("stage_started") == []


def test_the_golden_image_is_whole_compressed_and_read_only(folder):
    golden = folder / "golden.qcow2"
    qemu_img.check(golden)
    assert qemu_img.info(golden).backing is None
    assert golden.stat().st_size < 400 * 2**20
    assert stat.S_IMODE(golden.stat().st_mode) == 0o444


def test_the_guest_found_everything_as_the_recipe_asks(manifest):
    checks = {check["name"]: check["passed"] for check in manifest["verified"]}
    assert all(checks.values())
    assert {"no unit failed", "there is a NIC eth0", "net.core.somaxconn is 65535", "vm.swappiness is 10"} <= set(
        checks
    )
    assert "the account root has a password" in checks


def test_the_manifest_says_where_the_image_comes_from(manifest):
    assert manifest["medium"]["title"] == "imgpipe stand-in 1"
    assert len(manifest["medium"]["sha256"]) == 64
    assert set(manifest["answer_files"]) == {"ks.cfg"}
    assert "machine-id" in manifest["sealed"]["operations"]


def test_no_secret_is_in_anything_that_is_kept_beside_the_image(folder):
    for name in ("manifest.json", "report.json", "sbom.cdx.json"):
        text = (folder / name).read_text()
        assert "$6$" not in text
        assert "not in any file" not in text


def test_the_sbom_lists_the_packages_of_the_image(folder):
    components = {item["name"] for item in json.loads((folder / "sbom.cdx.json").read_text())["components"]}
    assert {"openssh-server", "systemd", "xfsprogs"} <= components


def test_the_image_carries_no_identity(folder):
    listing = subprocess.run(
        ["virt-ls", "--format=qcow2", "-a", folder / "golden.qcow2", "-R", "/etc"],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        env={"LIBGUESTFS_BACKEND": "direct", "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg", "PATH": "/usr/bin:/bin"},
    ).stdout.splitlines()
    assert "/machine-id" in listing
    assert not [name for name in listing if "ssh_host_" in name and "key" in name]


def test_a_build_of_an_unchanged_recipe_does_nothing(data, demo):
    again = Command(data, "build", "demo", "--json", env=PASSWORD).succeed()
    assert again.image["state"] == "unchanged"
    assert again.named("stage_started") == []


def test_a_change_after_the_install_reuses_it_even_when_killed_on_the_way(data, demo, tmp_path):
    recipe = tmp_path / "demo.toml"
    recipe.write_text(Path("recipes/demo.toml").read_text() + '\n[sysprep]\ndisable = ["user-caches"]\n')
    killed = Command(data, "build", str(recipe), "--json", env=PASSWORD)
    killed.until("stage_started", stage="sysprep")
    killed.kill()
    wait_until_gone(data)
    again = Command(data, "build", str(recipe), "--json", env=PASSWORD).succeed()
    assert killed.reused() == ["install"]
    assert again.reused() == ["install"]
    assert again.image["version"] != demo[0].image["version"]
    assert list(data.glob("**/*.partial")) == []


def test_the_image_is_listed_verified_and_exported(data, demo, tmp_path):
    Command(data, "images", "list").succeed()
    Command(data, "images", "verify", "demo").succeed()
    exported = Command(data, "images", "export", "demo", "--to", str(tmp_path / "copy.qcow2"))
    exported.succeed()
    assert qemu_img.info(tmp_path / "copy.qcow2").virtual_size == 4 * 2**30
