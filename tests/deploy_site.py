"""A place to deploy in: a golden image of nothing, and a libvirt daemon of the test's own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import private_libvirt
from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pools import open_pool
from imgpipe.deploy import bring_up
from imgpipe.deploy.changes import Change, change_of
from imgpipe.deploy.definitions import HostPolicy
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.wanted import Identity, Template, WantedMachine, WantedNic
from imgpipe.deploy.workshop import Workshop
from imgpipe.domain_spec import stable_mac
from imgpipe.os_family import Hardware, Personalise
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB
from imgpipe.store import Store

VERSION = "20260301.1"
SIZE = 64 * MIB


def template(disk: Path, name: str = "tiny", **different: object) -> Template:
    """Return a template whose disk is a file that there may be."""
    known = Template(
        name=name,
        version=VERSION,
        disk=disk,
        sha256=hashlib.sha256(disk.read_bytes()).hexdigest() if disk.exists() else "0" * 64,
        virtual_size=SIZE,
        system="rocky9",
        os_id="http://rockylinux.org/rocky/9",
        machine=Machine(cpus=1, memory=64 * MIB, disk=SIZE),
        hardware=Hardware(),
        cache="none",
        personalise=Personalise(),
        prepared=True,
    )
    return replace(known, **different)


def machine(name: str, made_from: Template, **different: object) -> WantedMachine:
    """Return a machine on user networking; `identity_*` differ in its identity."""
    parts = {key.removeprefix("identity_"): value for key, value in different.items() if key.startswith("identity_")}
    nics = (WantedNic(kind="user", mac=stable_mac(name, "0")),)
    known = WantedMachine(
        name=name,
        uuid=str(uuid.uuid5(uuid.NAMESPACE_DNS, name)),
        fleet="web",
        group="web",
        template=made_from,
        machine=made_from.machine,
        cache=made_from.cache,
        identity=Identity(**{"hostname": name, "nics": nics, **parts}),
    )
    return replace(known, **{key: value for key, value in different.items() if not key.startswith("identity_")})


def machines(count: int, made_from: Template, **different: object) -> tuple[WantedMachine, ...]:
    """Return some machines, `web-001` and so on."""
    return tuple(machine(f"web-{number:03}", made_from, **different) for number in range(1, count + 1))


def golden_image(store: Store, name: str = "tiny") -> Path:
    """Make an image in the catalog's place that has a little data and many holes."""
    folder = store.images / name / VERSION
    folder.mkdir(parents=True)
    raw = folder / "raw"
    with raw.open("wb") as file:
        file.truncate(SIZE)
        for place in range(0, SIZE, 8 * MIB):
            file.seek(place)
            file.write(os.urandom(256 * 1024))
    disk = folder / "golden.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, disk], check=True)
    raw.unlink()
    disk.chmod(0o444)
    return disk


@dataclass
class Site:
    """A data root, a connection, and what one needs to deploy; `heard` has all events."""

    store: Store
    hypervisor: Hypervisor
    template: Template
    pool_name: str | None = None
    heard: list[object] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where machines' disks are kept on this host."""
        return self.store.root / "machines"

    def workshop(self, **different: object) -> Workshop:
        def pool_of(name: str | None) -> object:
            return open_pool(self.hypervisor, name, self.folder, self.heard.append)

        pool = pool_of(self.pool_name)
        shop = Workshop(
            machines=Machines(self.hypervisor),
            pool=pool,
            pool_of=pool_of,
            policy=HostPolicy(folder=pool.path, accelerator="tcg"),
            store=self.store,
            notify=self.heard.append,
            paused=True,
        )
        return replace(shop, **different)

    def changes(self, wanted: tuple[WantedMachine, ...]) -> tuple[Change, ...]:
        there = {one.name: one for one in self.existing()}
        return tuple(change_of(one, there.get(one.name)) for one in wanted)

    def deploy(self, wanted: tuple[WantedMachine, ...], **different: object) -> None:
        bring_up.apply(self.changes(wanted), self.workshop(**different))

    def existing(self) -> tuple[ExistingMachine, ...]:
        return Machines(self.hypervisor).list()

    def remove_all(self) -> None:
        bring_up.remove(self.existing(), self.workshop())


def virsh(site: Site, *words: object) -> None:
    """Do something to a site's libvirt behind imgpipe's back; it must succeed."""
    subprocess.run(["virsh", "-q", "-c", site.hypervisor.uri, *map(str, words)], check=True, capture_output=True)


@contextmanager
def local_site(tmp: Path, qemu_conf: str = private_libvirt.QEMU_CONF) -> Iterator[Site]:
    """Yield a site whose daemon sees the files of this host."""
    tmp.chmod(0o755)
    with private_libvirt.private_libvirt(qemu_conf=qemu_conf) as daemon:
        yield from _site(tmp, f"qemu:///system?socket={daemon.socket}", None)


@contextmanager
def remote_site(tmp: Path, qemu_conf: str = private_libvirt.QEMU_CONF) -> Iterator[Site]:
    """Yield a site whose daemon, reached over a socket, finds the data root empty and has a pool of its own."""
    root = tmp / "data"
    root.mkdir()
    with private_libvirt.private_libvirt(root, qemu_conf=qemu_conf) as daemon:
        folder = daemon.folder / "pool"
        folder.mkdir()
        for words in (f"pool-define-as default dir --target {folder}", "pool-start default"):
            subprocess.run(["virsh", "-q", "-c", daemon.uri, *words.split()], check=True)
        yield from _site(tmp, daemon.uri, None)


def site_at(tmp: Path, uri: str) -> Site:
    """Return a site with an image of its own at a daemon, whose connection is the caller's to close."""
    store = Store(tmp / "data")
    disk = golden_image(store)
    return Site(store, connect(uri, print), template(disk))


def _site(tmp: Path, uri: str, pool: str | None) -> Iterator[Site]:
    made = replace(site_at(tmp, uri), pool_name=pool)
    hypervisor = made.hypervisor
    try:
        yield made
    finally:
        for name in Machines(hypervisor).active():
            Machines(hypervisor).force_stop(name)
        hypervisor.close()
