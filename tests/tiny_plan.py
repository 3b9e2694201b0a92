"""A plan whose installer is the tiny guest: everything a real one has, in seconds."""

from __future__ import annotations

from pathlib import Path

import tiny_guest
from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.os_family import (
    AnswerFile,
    CacheMode,
    Console,
    Hardware,
    KernelBoot,
    Phase,
    Proof,
    Seed,
    System,
    Trouble,
    Unattended,
)
from imgpipe.plan import Plan
from imgpipe.recipe import Machine, MediumSource, Nic
from imgpipe.sizes import MIB

CONSOLE = Console(
    phases=(
        Phase(pattern=r"tiny installer started", label="the installer starts", percent=5),
        Phase(pattern=r"^Partitioning", label="the disk is laid out", percent=10),
        Phase(pattern=r"^Installing \S+ \((?P<done>\d+)/(?P<total>\d+)\)", label="packages", percent=20, until=90),
    ),
    troubles=(
        Trouble(pattern=r"Entering emergency mode", reason="The installer fell into emergency mode."),
        Trouble(pattern=r"storage configuration failed: (?P<why>.+)", reason="The disk cannot be laid out: {why}."),
    ),
    waiting=(Trouble(pattern=r"Please make a selection from the above", reason="The installer asks a question."),),
    log_channel="org.imgpipe.tiny.0",
)
PROOF = Proof(console=tiny_guest.PROOF, failure="TINY INSTALL FAILED", file="/proof", content="ok")


def tiny_plan(act: str, *, disk: int = 64 * MIB, install_cache: CacheMode = "unsafe") -> Plan:
    """Return the plan of an install in which the guest does `act`."""
    return Plan(
        name="tiny",
        system=System(name="tiny", title="Tiny", memory=128 * MIB),
        family="tiny",
        answer_kind="kickstart",
        machine=Machine(cpus=1, memory=256 * MIB, disk=disk),
        medium=MediumSource(),
        nics=(Nic(name="eth0"), Nic(name="eth1")),
        install_network="isolated",
        cache="none",
        install_cache=install_cache,
        unattended=Unattended(
            seed=Seed(files=(AnswerFile(name="act", text=act),)),
            boot=KernelBoot(kernel=("vmlinuz",), initrd=("initrd",), arguments=arguments(act)),
            hardware=Hardware(),
            console=CONSOLE,
            proof=PROOF,
        ),
        operations=(),
        checks=(),
    )


def arguments(act: str) -> tuple[str, ...]:
    """Return the kernel's command line for `act`; a panic stays on the console instead of resetting the machine."""
    return ("console=ttyS0", "quiet", "no_timer_check", f"act={act}")


def tiny_medium(folder: Path) -> Medium:
    """Return a medium: an empty CD, because the guest needs nothing of it."""
    path = folder / "medium.iso"
    if not path.exists():
        path.write_bytes(bytes(MIB))
    return Medium(path=path, sha256="0" * 64, volume_id="TINY", title="Tiny 1")


def tiny_seed(folder: Path, act: str) -> SeedMedia:
    """Return the kernel and initrd of the tiny guest, made in `folder`."""
    kernel, initrd = folder / "vmlinuz", folder / "initrd"
    if not initrd.exists():
        tiny_guest.make(folder)
    return SeedMedia(folder=folder, digests=(), kernel=kernel, initrd=initrd, arguments=arguments(act))
