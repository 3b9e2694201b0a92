"""Machines are cloned in a real libvirt; none of them runs, and what the appliance would do is left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import deploy_site
import private_libvirt
from deploy_site import Site, machines
from disk_chain import overlay_of_100_mib
from imgpipe.adapters import qemu_img
from imgpipe.adapters.batch_guest import Refused
from imgpipe.adapters.image_headers import backing_of
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.marks import hidden
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.cli import context
from imgpipe.cli.clone import clone as clone_command
from imgpipe.deploy import bring_up, clone_making
from imgpipe.deploy.bring_up import fleet_lock
from imgpipe.deploy.clone_flags import CloneFlags, order_of
from imgpipe.deploy.clone_making import CloneWork, Cloning
from imgpipe.deploy.cloned_definition import source_of
from imgpipe.deploy.cloning import Clone, check_source_machine, fleet_of, plan_clones
from imgpipe.deploy.facts import gather
from imgpipe.deploy.flatten import flatten
from imgpipe.deploy.foreign import clone_steps
from imgpipe.emulated_boot import patient_steps
from imgpipe.errors import GuestError, HostError, RecipeError
from imgpipe.events import Note
from imgpipe.os_family import Personalise
from imgpipe.settings import Settings
from imgpipe.sizes import MIB

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
SOURCE = """<domain type='qemu'><name>vm001</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/><source file='{disk}'/>
<target dev='vda' bus='virtio'/></disk><interface type='user'><model type='virtio'/></interface>
<serial type='pty'/></devices></domain>"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as made:
        disk = tmp_path / "vm001.qcow2"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", made.template.disk, disk], check=True)
        Machines(made.hypervisor).define(SOURCE.format(disk=disk))
        yield made


@pytest.fixture
def injected(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple]:
    """Stand in for the appliance; a disk named in 'refuse' is refused."""
    seen: dict[Path, tuple] = {}

    def inject(disks, accelerator, log, claims, remark):
        assert claims
        seen.update(disks)
        for path, _steps in disks:
            remark(path, "Make its initramfs anew.")
        return [Refused(path=path, reason="broken") for path, _ in disks if path.stem == "refuse"]

    monkeypatch.setattr(clone_making, "inject", inject)
    return seen


def clone(site: Site, *names: str, trust: tuple[Path, ...] = (), **flags: object) -> tuple[Clone, ...]:
    shop = site.workshop()
    xml = shop.machines.xml("vm001")
    source = source_of(xml)
    clones = plan_clones(order_of(CloneFlags(names=names, **flags)), source, 1, gather(site.hypervisor, shop.pool))
    disk = check_source_machine(source, active=False, local=True, trusted=trust)
    work = CloneWork(
        machines=shop.machines,
        pool=shop.pool,
        pool_of=shop.pool_of,
        accelerator="tcg",
        notify=site.heard.append,
        log=site.store.root / "work" / "clone.log",
        paused=True,
    )
    Cloning(source, disk, xml, Personalise(network="none"), work).run(clones)
    return clones


def volumes(site: Site) -> frozenset[str]:
    pool = site.workshop().pool
    pool.refresh()
    return pool.names()


def test_clones_are_independent_complete_and_started(site, injected):
    clone(site, "vm005", "vm006")
    there = {one.name: one for one in site.existing()}
    assert there.keys() == {"vm001", "vm005", "vm006"}
    for name in ("vm005", "vm006"):
        made = there[name]
        assert made.active
        assert made.record.complete
        assert (made.record.fleet, made.record.template, made.cache) == (fleet_of("vm001"), "vm001", "none")
        (source,) = (one.mac for one in there["vm001"].nics)
        macs = ((source, made.nics[0].mac),)
        # Emulated, as all machines of the site are, a clone waits longer.
        assert injected[Path(made.disk)] == (*clone_steps(name, macs, keeps_network=True), *patient_steps("tcg"))
        disk = qemu_img.info(Path(made.disk))
        assert disk.backing is None
        assert disk.disk_size <= qemu_img.info(Path(there["vm001"].disk)).disk_size + 2**20
    assert len({one.nics[0].mac for one in there.values()}) == 3
    assert len({one.uuid for one in there.values()}) == 3
    notes = [event.text for event in site.heard if isinstance(event, Note) and event.warning]
    assert notes == ["vm005, vm006: Make its initramfs anew."]


def test_a_clone_that_is_refused_is_removed_and_the_others_are_made(site, injected):
    with pytest.raises(GuestError, match="1 of 2 clones") as caught:
        clone(site, "refuse", "vm006")
    assert caught.value.details == ("refuse: broken",)
    assert {one.name for one in site.existing()} == {"vm001", "vm006"}
    assert volumes(site) == {"vm006.qcow2"}


def test_a_source_that_is_used_meanwhile_is_not_cloned(site, monkeypatch, injected):
    copy = Cloning._copy

    def copied_while_started(self, one):
        copy(self, one)
        Machines(site.hypervisor).start("vm001", paused=True)

    monkeypatch.setattr(Cloning, "_copy", copied_while_started)
    with pytest.raises(RecipeError, match="'vm001' was used while it was copied"):
        clone(site, "vm005")
    assert {one.name for one in site.existing()} == {"vm001"}
    assert volumes(site) == frozenset()


def test_what_a_killed_run_left_is_removed_and_made_again(site, injected):
    clone(site, "vm005")
    shop = site.workshop()
    shop.machines.force_stop("vm005")
    record = shop.machines.find("vm005").record
    shop.machines.set_record("vm005", replace(record, complete=False))
    disk = shop.pool.file("vm005.qcow2")
    hidden(disk, record.mark).hardlink_to(disk)
    disk.write_bytes(b"half")
    (again,) = clone(site, "vm005")
    assert again.leftover is not None
    (there,) = [one for one in site.existing() if one.name == "vm005"]
    assert there.record.complete
    assert qemu_img.info(shop.pool.file("vm005.qcow2")).virtual_size == deploy_site.SIZE


def test_a_linked_clone_is_an_overlay_on_the_sources_disk(site, injected):
    clone(site, "vm005", linked=True)
    (there,) = [one for one in site.existing() if one.name == "vm005"]
    source = next(one for one in site.existing() if one.name == "vm001")
    assert qemu_img.info(Path(there.disk)).backing == Path(source.disk)
    assert there.record.linked
    assert injected[Path(there.disk)][-1:] == patient_steps("tcg")


def test_a_plan_asks_for_the_room_of_the_whole_chain(site, tmp_path, monkeypatch):
    (source,) = [one for one in site.existing() if one.name == "vm001"]
    chain = overlay_of_100_mib(tmp_path)
    machines = Machines(site.hypervisor)
    machines.define(machines.xml("vm001").replace(source.disk, str(chain)))
    monkeypatch.setenv("IMGPIPE_HOME", str(site.store.root))
    monkeypatch.setattr(context, "settings", Settings)
    context.choose(context.Choices(connect=site.hypervisor.uri))
    app = typer.Typer()
    app.command("clone")(clone_command)
    app.command("other")(lambda: None)
    words = ["clone", "vm001", "vm005", "--trust-backing", str(tmp_path), "--plan"]
    for free, enough in ((104 * MIB, True), (100 * MIB, False)):
        monkeypatch.setattr(FolderPool, "free", lambda _, free=free: free)
        if enough:
            assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
        else:
            with pytest.raises(RecipeError) as caught:
                CliRunner().invoke(app, words, catch_exceptions=False)
            assert "the pool 'imgpipe' has 100 MiB left" in caught.value.details[0]
    context.choose(context.Choices())


def test_a_backing_file_that_is_swapped_behind_the_check_is_not_copied(site, injected, tmp_path, monkeypatch):
    machines = Machines(site.hypervisor)
    (source,) = [one for one in site.existing() if one.name == "vm001"]
    secret, overlay = tmp_path / "neighbour.raw", tmp_path / "vm001-overlay.qcow2"
    secret.write_bytes(b"the neighbour's data" * 4096)
    qemu_img.create_overlay(overlay, Path(source.disk), backing_format="qcow2")
    machines.define(machines.xml("vm001").replace(source.disk, str(overlay)))
    define = Cloning._define

    def swapped(self, one):
        define(self, one)
        subprocess.run(
            ["qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", str(secret), str(overlay)], check=True
        )

    monkeypatch.setattr(Cloning, "_define", swapped)
    with pytest.raises((RecipeError, HostError), match="changed"):
        clone(site, "vm005", trust=(Path(source.disk).parent,))
    assert {one.name for one in site.existing()} == {"vm001"}
    assert volumes(site) == frozenset()


def test_uefi_variables_of_somebody_else_outlive_a_clone_that_fails(site, injected, tmp_path):
    nvram, theirs = tmp_path / "vm001_VARS.fd", tmp_path / "vm005_VARS.fd"
    nvram.write_bytes(b"variables")
    theirs.write_bytes(b"of a stranger")
    machines = Machines(site.hypervisor)
    loader = "<loader readonly='yes' type='pflash'>/nowhere/CODE.fd</loader>"
    machines.define(machines.xml("vm001").replace("</type>", f"</type>{loader}<nvram>{nvram}</nvram>", 1))
    with pytest.raises(HostError, match="vm005_VARS"):
        clone(site, "vm005")
    assert theirs.read_bytes() == b"of a stranger"
    assert {one.name for one in site.existing()} == {"vm001"}
    assert volumes(site) == frozenset()


def test_uefi_variables_are_copied_and_removed_with_the_clone(site, injected, tmp_path):
    nvram = tmp_path / "vm001_VARS.fd"
    nvram.write_bytes(b"variables")
    machines = Machines(site.hypervisor)
    loader = "<loader readonly='yes' type='pflash'>/nowhere/CODE.fd</loader>"
    xml = machines.xml("vm001").replace("</type>", f"</type>{loader}<nvram>{nvram}</nvram>", 1)
    machines.define(xml)
    order = order_of(CloneFlags(names=("vm005",)))
    source = source_of(machines.xml("vm001"))
    (one,) = plan_clones(order, source, 1, gather(site.hypervisor, site.workshop().pool))
    shop = site.workshop()
    work = CloneWork(
        machines=shop.machines, pool=shop.pool, pool_of=shop.pool_of, accelerator="tcg", notify=site.heard.append,
        log=tmp_path / "clone.log", start=False,
    )  # fmt: skip
    disk = check_source_machine(source, active=False, local=True, trusted=())
    Cloning(source, disk, machines.xml("vm001"), Personalise(network="none"), work).run((one,))
    copy = tmp_path / "vm005_VARS.fd"
    assert copy.read_bytes() == b"variables"
    assert set(tmp_path.glob(".*")) == set()
    bring_up.remove((site.workshop().machines.find("vm005"),), site.workshop())
    assert not copy.exists()
    assert nvram.exists()


def test_what_somebody_put_in_the_place_of_a_killed_clones_disk_and_variables_stays(site, injected, tmp_path):
    nvram = tmp_path / "vm001_VARS.fd"
    nvram.write_bytes(b"variables")
    loader = "<loader readonly='yes' type='pflash'>/nowhere/CODE.fd</loader>"
    machines = Machines(site.hypervisor)
    with_variables = machines.xml("vm001").replace("</type>", f"</type>{loader}<nvram>{nvram}</nvram>", 1)
    machines.define(with_variables)
    script = (
        "import os, sys\n"
        "sys.path[:] = sys.argv[4].split(os.pathsep)\n"
        "from deploy_site import *\n"
        "from test_cloning_machines import Cloning, clone\n"
        "Cloning._copy = lambda self, one: os.kill(os.getpid(), 9)\n"
        "store = Store(Path(sys.argv[1]))\n"
        "clone(Site(store, connect(sys.argv[2], print), template(Path(sys.argv[3]))), 'vm005')\n"
    )
    words = [
        str(site.store.root),
        site.hypervisor.uri,
        str(site.template.disk),
        os.pathsep.join(filter(None, sys.path)),
    ]
    killed = subprocess.run([sys.executable, "-c", script, *words], check=False)
    assert killed.returncode == -signal.SIGKILL
    theirs = (site.folder / "vm005.qcow2", tmp_path / "vm005_VARS.fd")
    for path in theirs:
        path.write_bytes(b"of a stranger")
    with pytest.raises(RecipeError, match="volumes already") as told:
        clone(site, "vm005")
    assert "--leftover imgpipe/vm005.qcow2" in told.value.hint
    assert [path.read_bytes() for path in theirs] == [b"of a stranger"] * 2
    notes = [event.text for event in site.heard if isinstance(event, Note) and event.warning]
    assert [path for path in theirs if any(path.name in note for note in notes)] == list(theirs)
    assert machines.names() == {"vm001"}


def with_variables(site: Site, path: Path) -> None:
    """Let the source keep its UEFI variables in a file."""
    machines = Machines(site.hypervisor)
    loader = "<loader readonly='yes' type='pflash'>/nowhere/CODE.fd</loader>"
    machines.define(machines.xml("vm001").replace("</type>", f"</type>{loader}<nvram>{path}</nvram>", 1))


@pytest.mark.parametrize("kind", ["link", "device", "pipe", "folder", "huge"])
def test_what_is_no_small_file_of_its_own_is_not_copied_as_uefi_variables(site, injected, tmp_path, kind):
    nvram, secret = tmp_path / "vm001_VARS.fd", tmp_path / "secret"
    secret.write_bytes(b"a host's file")
    if kind == "link":
        if os.geteuid() != 0:
            pytest.skip("only root makes links of others")
        nvram.symlink_to(secret)
        os.chown(nvram, 4711, 4711, follow_symlinks=False)
    elif kind == "device":
        nvram.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(nvram)
    elif kind == "folder":
        nvram.mkdir()
    else:
        nvram.touch()
        os.truncate(nvram, 2**40)
    with_variables(site, nvram)
    before = set(tmp_path.iterdir())
    with pytest.raises(RecipeError, match="UEFI variables of 'vm001' cannot be copied"):
        clone(site, "vm005")
    assert {path for path in tmp_path.iterdir() if "VARS" in path.name} == {nvram}
    assert before <= set(tmp_path.iterdir())
    assert {one.name for one in site.existing()} == {"vm001"}
    assert volumes(site) == frozenset()


def test_a_machine_whose_disk_became_a_pipe_stops_nobody(site, injected):
    pipe = site.store.root / "pipe"
    os.mkfifo(pipe)
    Machines(site.hypervisor).define(SOURCE.format(disk=pipe).replace("vm001", "waits").replace("qcow2", "raw"))
    looking = ThreadPoolExecutor(1)
    try:
        found = {one.name: one for one in looking.submit(Machines(site.hypervisor).list).result(timeout=60)}
        one = looking.submit(Machines(site.hypervisor).find, "waits").result(timeout=60)
    finally:
        # Whoever waits for a writer goes on.
        with suppress(OSError):
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        looking.shutdown()
    assert found["vm001"].virtual_size == deploy_site.SIZE
    assert (found["waits"].virtual_size, one.virtual_size) == (0, 0)


def test_a_clone_waits_for_whoever_destroys_clones_of_its_source(site: Site) -> None:
    words = ["imgpipe", "--connect", site.hypervisor.uri, "clone", "vm001", "a", "--yes"]
    code = f"import sys; sys.argv = {words!r}; from imgpipe.cli.main import main; main()"
    env = {**os.environ, "IMGPIPE_HOME": str(site.store.root)}
    # What 'machines destroy' holds: the fleet of the clones' records.
    with (
        fleet_lock(site.store, fleet_of("vm001"), print),
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=env) as child,
    ):
        assert child.stderr
        first, told = child.stderr.readline(), child.stderr.readline()
        child.kill()
    assert first == "Looking at the machine 'vm001'; it is not changed.\n"
    assert told == f"note: Waiting for process {os.getpid()}, who works on the fleet 'clones of vm001'.\n"
    assert [one.name for one in site.existing()] == ["vm001"]


def test_a_machine_below_a_linked_clone_is_not_started_until_that_is_independent(site: Site) -> None:
    site.deploy(machines(1, site.template, start=False))
    shop = site.workshop()
    overlay = site.folder / "c1.qcow2"
    base = site.folder / "web-001.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay], check=True)
    (mine,) = (one for one in site.existing() if one.record)
    assert mine.record
    record = replace(mine.record, fleet=fleet_of("web-001"), disk="c1.qcow2", uuid="")
    shop.machines.define(SOURCE.format(disk=overlay).replace("vm001", "c1"))
    shop.machines.set_record("c1", record)
    with pytest.raises(RecipeError, match="its disk is below that of 'c1'") as refused:
        site.deploy(machines(1, site.template))
    assert "'imgpipe machines flatten c1'" in refused.value.hint
    assert shop.machines.active() == frozenset()
    assert backing_of(overlay) == base
    flatten(shop.machines.find("c1"), "vda", shop)
    site.deploy(machines(1, site.template))
    assert shop.machines.active() == {"web-001"}
