"""A plan and a workplace for sealing a disk without a plugin, a medium or libvirt."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.artifacts import InstalledDisk
from imgpipe.offline_edits import Operation
from imgpipe.operations import CORE
from imgpipe.os_family import AnswerFile, Console, Hardware, KernelBoot, Proof, Seed, System, Unattended
from imgpipe.plan import Plan
from imgpipe.recipe import Machine, MediumSource, Nic
from imgpipe.store import Store
from imgpipe.workplace import Workplace


def plan(answer_file: str, proof: Proof, operations: tuple[Operation, ...] = ()) -> Plan:
    """Return a plan with the core's operations, or these."""
    unattended = Unattended(
        seed=Seed(files=(AnswerFile(name="ks.cfg", text=answer_file),)),
        boot=KernelBoot(kernel=(), initrd=(), arguments=()),
        hardware=Hardware(),
        console=Console(phases=(), troubles=()),
        proof=proof,
    )
    return Plan(
        name="sample",
        system=System(name="debian12", title="Debian 12", memory=2**30),
        family="debian",
        answer_kind="preseed",
        machine=Machine(),
        medium=MediumSource(),
        nics=(Nic(name="eth0"),),
        install_network="isolated",
        cache="none",
        install_cache="unsafe",
        unattended=unattended,
        operations=operations or tuple(operation for operation in CORE if operation.default),
        checks=(),
    )


def workplace(root: Path, heard: list[Any]) -> Workplace:
    """Return a workplace without KVM whose events are kept in `heard`."""
    hypervisor = cast(Hypervisor, SimpleNamespace(accelerator=lambda: "tcg"))
    return Workplace(store=Store(root), hypervisor=hypervisor, notify=heard.append)


def installed(disk: Path, key: str) -> InstalledDisk:
    """Return the disk as an installed one."""
    return InstalledDisk(path=disk, folder=disk.parent, key=key, seconds=1.0)
