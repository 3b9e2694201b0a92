"""Strangers' machines and volumes are asked for in a real libvirt before an image goes; none of them runs a guest."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import VERSION, Site, machines, virsh
from forks import shared
from imgpipe.adapters.machines import Machines
from imgpipe.deploy import bring_up
from imgpipe.deploy.room import base_volume
from imgpipe.errors import HostError
from imgpipe.images.disk_uses import UseGraph
from sample_catalog import add_image, store  # noqa: F401

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as site:
        yield site


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.remote_site(tmp_path) as site:
        yield site


def overlay(path: Path, below: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", path], check=True)
    return path


def disk(path: Path, form: str = "qcow2") -> str:
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/><source file='{path}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )


def define(site: Site, name: str, *disks: str) -> None:
    Machines(site.hypervisor).define(definition(name, *disks))


def definition(name: str, *disks: str) -> str:
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid>"
        "<memory>65536</memory><os><type arch='x86_64'>hvm</type></os>"
        f"<devices>{''.join(disks)}</devices></domain>"
    )


def graph(site: Site) -> UseGraph:
    return UseGraph(Machines(site.hypervisor).disk_uses())


def users(site: Site) -> tuple[str, ...]:
    return graph(site).users(site.template.disk)


def test_a_strangers_overlay_of_an_overlay_is_seen_also_by_a_link(local: Site, tmp_path: Path) -> None:
    middle = overlay(tmp_path / "strange" / "middle.qcow2", local.template.disk)
    top = overlay(tmp_path / "strange" / "top.qcow2", middle)
    link = tmp_path / "link.qcow2"
    link.symlink_to(top)
    define(local, "stranger", disk(link))
    assert users(local) == ("stranger",)
    assert graph(local).unknown == ()


def test_the_image_itself_as_a_disk_and_a_running_machines_chain_are_seen(local: Site, tmp_path: Path) -> None:
    define(local, "direct", disk(local.template.disk))
    live = overlay(tmp_path / "strange" / "live.qcow2", local.template.disk)
    define(local, "live", disk(live))
    virsh(local, "start", "live", "--paused")
    define(local, "live", disk(tmp_path / "strange" / "another.qcow2"))
    assert users(local) == ("direct", "live")


def test_a_snapshot_remembers_the_disk(local: Site, tmp_path: Path) -> None:
    first = overlay(tmp_path / "strange" / "first.qcow2", local.template.disk)
    define(local, "stranger", disk(first))
    virsh(local, "snapshot-create-as", "stranger", "before")
    define(local, "stranger")
    assert users(local) == ("stranger",)


def test_a_volume_of_a_pool_of_somebody_else_is_seen_and_an_inactive_pool_too(local: Site, tmp_path: Path) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    virsh(local, "pool-define-as", "theirs", "dir", "--target", folder)
    virsh(local, "pool-start", "theirs")
    # Newer than the list that libvirt has.
    late = overlay(folder / "late.qcow2", local.template.disk)
    assert users(local) == (str(late),)
    virsh(local, "pool-destroy", "theirs")
    assert users(local) == (str(late),)
    assert graph(local).unknown == ()
    late.unlink()
    folder.rmdir()
    (unknown,) = graph(local).unknown
    assert unknown.startswith(f"the storage pool 'theirs' is not active and its folder '{folder}' is missing")
    assert "'virsh pool-undefine theirs'" in unknown


def test_a_disk_that_is_a_volume_of_a_pool_is_found(local: Site) -> None:
    folder = local.template.disk.parent
    virsh(local, "pool-create-as", "theirs", "dir", "--target", folder)
    volume = f"<source pool='theirs' volume='{local.template.disk.name}'/><target dev='vda' bus='virtio'/>"
    define(local, "stranger", f"<disk type='volume'><driver name='qemu' type='qcow2'/>{volume}</disk>")
    assert users(local) == ("stranger",)


def test_a_raw_disk_that_calls_itself_an_overlay_needs_nothing(local: Site, tmp_path: Path) -> None:
    define(local, "stranger", disk(overlay(tmp_path / "strange" / "raw.img", local.template.disk), "raw"))
    assert users(local) == ()


def test_an_uploaded_image_stays_below_a_strangers_disk(remote: Site) -> None:
    remote.deploy(machines(1, remote.template, start=False))
    base = base_volume(remote.template)
    pool = remote.workshop().pool
    overlay(pool.path / "strange.qcow2", pool.file(base))
    remote.remove_all()
    assert pool.names() == {base, "strange.qcow2"}
    remote.deploy(machines(1, remote.template, start=False))
    pool.delete("strange.qcow2")
    elsewhere = overlay(pool.path.parent / "elsewhere" / "strange.qcow2", pool.file(base))
    define(remote, "stranger", disk(elsewhere))
    ours = [one for one in remote.existing() if one.record]
    with pytest.raises(HostError, match="not known whether something needs"):
        bring_up.remove(ours, remote.workshop())
    bring_up.remove(ours, remote.workshop(despite_unknown=True))
    assert base in pool.names()
    virsh(remote, "undefine", "stranger")
    remote.deploy(machines(1, remote.template, start=False))
    remote.remove_all()
    assert pool.names() == frozenset()


def imgpipe(root: Path, uri: str, *words: str) -> subprocess.CompletedProcess[str]:
    return shared().run(["--connect", uri, *words], env={**os.environ, "IMGPIPE_HOME": str(root)})


def test_removing_is_refused_for_strangers_and_when_the_daemon_is_dead(tmp_path: Path, add_image, store) -> None:  # noqa: F811
    image = add_image("rocky9", VERSION)
    tmp_path.chmod(0o755)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "disk", "1M"], check=True)
    image.disk.chmod(0o644)
    image.disk.write_bytes((tmp_path / "disk").read_bytes())
    strange = overlay(tmp_path / "strange" / "top.qcow2", image.disk)
    words = ("images", "rm", image.reference, "--yes")
    with private_libvirt.private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}"
        xml = tmp_path / "xml"
        xml.write_text(definition("stranger", disk(strange)))
        subprocess.run(["virsh", "-q", "-c", uri, "define", xml], check=True)
        done = imgpipe(store.root, uri, *words)
        assert (done.returncode, "stranger" in done.stderr) == (2, True), done.stderr
        subprocess.run(["virsh", "-q", "-c", uri, "undefine", "stranger"], check=True)
        daemon.kill()
        done = imgpipe(store.root, uri, *words)
        assert (done.returncode, "--without-libvirt" in done.stderr) == (3, True), done.stderr
        assert image.disk.exists()
        done = imgpipe(store.root, uri, *words, "--without-libvirt")
    assert done.returncode == 0, done.stderr
    assert not image.folder.exists()


def test_a_volume_that_is_called_like_an_upload_is_replaced_only_if_it_is_a_begun_one(remote: Site) -> None:
    pool = remote.workshop().pool
    theirs = pool.file(base_volume(remote.template))
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", theirs, "8M"], check=True)
    theirs.chmod(0o644)
    before = theirs.read_bytes()
    pool.refresh()
    with pytest.raises(HostError, match="which is not the image") as told:
        remote.deploy(machines(1, remote.template, start=False))
    assert f"--leftover default/{theirs.name}" in told.value.hint
    assert theirs.read_bytes() == before
    assert remote.existing() == ()
    theirs.write_bytes(bytes(remote.template.disk.stat().st_size))
    pool.refresh()
    remote.deploy(machines(1, remote.template, start=False))
    assert theirs.read_bytes() == remote.template.disk.read_bytes()
