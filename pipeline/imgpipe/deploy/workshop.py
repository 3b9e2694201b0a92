"""What deploying works with: the machines and pool of one hypervisor, and how it goes about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters.accelerator import asked_for
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.adapters.qemu_user import must_run_as_root
from imgpipe.deploy.definitions import HostPolicy
from imgpipe.deploy.parallel import AT_ONCE
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.domain_spec import CpuMode
from imgpipe.errors import HostError
from imgpipe.events import Listener
from imgpipe.store import Store

Inject = Callable[[Sequence[tuple[WantedMachine, Path]]], None]
"""Writes identities to the disks of machines whose template has no unit that would apply them."""


def no_injection(_disks: Sequence[tuple[WantedMachine, Path]]) -> None:
    """Refuse: nothing here can write to disks."""
    raise HostError(
        "The template has no unit that applies an identity, and nothing here can write one to its clones' disks.",
        hint="Deploy from an image that imgpipe built.",
    )


def host_policy(hypervisor: Hypervisor, pool: Pool, images: Path, notify: Listener, cpu: CpuMode) -> HostPolicy:
    """Return what the host decides of machines: their accelerator, and whether QEMU must run as root.

    It must where its own user cannot reach the pool, or the folder `images` that disks are linked to.
    Whether KVM really works can be tried on this host only; another host's libvirt is believed.
    """
    if hypervisor.local:
        accelerator = hypervisor.accelerator()
    else:
        accelerator = asked_for() or ("kvm" if hypervisor.offers_kvm() else "tcg")
    as_root = False
    if hypervisor.uri == "qemu:///system" and pool.local:
        as_root = must_run_as_root((pool.file("disk"), images / "image"), notify)
    features = hypervisor.features(accelerator)
    return HostPolicy(folder=pool.path, accelerator=accelerator, cpu=cpu, as_root=as_root, features=features)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """One hypervisor's machines, and the pool that new disks lie in.

    `pool_of` opens another pool by name, for machines made earlier. `at_once` machines are worked on at a time.
    A machine that must stop for its change gets `shutdown_s` seconds to do so, if it `may_stop`; else its change
    takes effect at its next start. `paused` starts machines without letting them run.
    `despite_unknown` removes machines also where it cannot be seen whether somebody else needs their disks.
    """

    machines: Machines
    pool: Pool
    pool_of: Callable[[str], Pool]
    policy: HostPolicy
    store: Store
    notify: Listener
    inject: Inject = no_injection
    at_once: int = AT_ONCE
    may_stop: bool = False
    shutdown_s: float = 120
    paused: bool = False
    despite_unknown: bool = False
