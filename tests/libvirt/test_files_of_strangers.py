"""What strangers built on, or attached to, the machines of imgpipe is never deleted with them; none runs a guest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machines, virsh
from imgpipe.adapters.machines import Machines
from imgpipe.deploy import bring_up
from imgpipe.deploy.removal import remove_leftover
from imgpipe.errors import HostError, RecipeError

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
STRANGER = """<domain type='qemu'><name>stranger</name><memory unit='MiB'>64</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as made:
        made.deploy(machines(1, made.template, start=False))
        yield made


def overlay_elsewhere(site: Site, tmp_path: Path) -> Path:
    """Make a stranger's machine whose disk, outside the pool, is an overlay of ours."""
    overlay = tmp_path / "overlay.qcow2"
    base = site.folder / "web-001.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay], check=True)
    Machines(site.hypervisor).define(STRANGER.format(disk=overlay))
    return base


def test_a_disk_below_an_overlay_of_another_folder_stays(site: Site, tmp_path: Path) -> None:
    base = overlay_elsewhere(site, tmp_path)
    with pytest.raises(RecipeError, match="needed by"):
        bring_up.remove((Machines(site.hypervisor).find("web-001"),), site.workshop())
    assert base.exists()


def test_a_leftover_below_an_overlay_of_another_folder_stays(site: Site, tmp_path: Path) -> None:
    base = overlay_elsewhere(site, tmp_path)
    shop = site.workshop()
    virsh(site, "undefine", "web-001")
    with pytest.raises(RecipeError, match="needed by"):
        remove_leftover("web-001.qcow2", shop.machines, shop.pool)
    assert base.exists()


@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_a_disk_that_another_machine_has_by_a_link_stays(site: Site, tmp_path: Path, link: str) -> None:
    disk, other = site.folder / "web-001.qcow2", tmp_path / "link.qcow2"
    other.symlink_to(disk) if link == "symbolic" else other.hardlink_to(disk)
    Machines(site.hypervisor).define(STRANGER.format(disk=other))
    with pytest.raises(RecipeError, match="needed by"):
        bring_up.remove((Machines(site.hypervisor).find("web-001"),), site.workshop())
    assert disk.exists()


def test_a_disk_that_was_attached_by_somebody_stays(site: Site) -> None:
    data = site.folder / "data.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", data, "8M"], check=True)
    words = ["attach-disk", "web-001", str(data), "vdb", "--config", "--subdriver", "qcow2"]
    virsh(site, *words)
    site.remove_all()
    assert data.exists()


def overlay(path: Path, below: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", path], check=True)
    return path


def remove(site: Site, way: str, **different: object) -> None:
    """Remove the machine, or only its disk after somebody undefined the machine."""
    shop = site.workshop(**different)
    if way == "destroy":
        bring_up.remove((Machines(site.hypervisor).find("web-001"),), shop)
    else:
        remove_leftover("web-001.qcow2", shop.machines, shop.pool, trusting=shop.despite_unknown)


@pytest.fixture(params=["destroy", "leftover"])
def way(request: pytest.FixtureRequest, site: Site) -> str:
    if request.param == "leftover":
        virsh(site, "undefine", "web-001")
    return str(request.param)


def test_a_disk_below_a_volume_of_another_pool_that_no_machine_has_stays(site: Site, tmp_path: Path, way: str) -> None:
    base = site.folder / "web-001.qcow2"
    theirs = overlay(tmp_path / "theirs" / "newest.qcow2", base)
    virsh(site, "pool-create-as", "theirs", "dir", "--target", theirs.parent)
    with pytest.raises(RecipeError, match=f"needed by '{theirs}'"):
        remove(site, way)
    assert base.exists()


def test_a_disk_below_a_loose_file_of_the_same_folder_stays(site: Site, way: str) -> None:
    base = site.folder / "web-001.qcow2"
    overlay(site.folder / "newest.qcow2", base)
    with pytest.raises(RecipeError, match=r"needed by the volume 'newest\.qcow2'"):
        remove(site, way)
    assert base.exists()


def test_a_disk_below_the_overlay_that_only_a_snapshot_of_its_machine_names_stays(site: Site, tmp_path: Path) -> None:
    base, machines_ = site.folder / "web-001.qcow2", Machines(site.hypervisor)
    before, newest = machines_.xml("web-001"), tmp_path / "newest.qcow2"
    virsh(site, "snapshot-create-as", "web-001", "s1", "--disk-only", "--diskspec", f"vda,file={newest}")
    machines_.define(before)
    assert machines_.find("web-001").disk == str(base)
    with pytest.raises(RecipeError, match=f"needed by '{newest}'"):
        remove(site, "destroy")
    assert base.exists()
    assert machines_.names() == {"web-001"}
    newest.unlink()
    remove(site, "destroy")
    assert not base.exists()


def test_what_cannot_be_seen_stops_a_removal_until_somebody_takes_it_upon_himself(
    site: Site, tmp_path: Path, way: str
) -> None:
    base = site.folder / "web-001.qcow2"
    virsh(site, "pool-define-as", "theirs", "netfs", "--source-host", "nowhere", "--source-path", "/", "--target",
          tmp_path / "theirs")  # fmt: skip
    with pytest.raises(HostError, match="not known whether something needs") as told:
        remove(site, way)
    assert told.value.exit_code == 3
    assert "--despite-unknown" in told.value.hint
    (detail,) = told.value.details
    assert detail.startswith("the storage pool 'theirs' is not active")
    assert base.exists()
    remove(site, way, despite_unknown=True)
    assert not base.exists()
