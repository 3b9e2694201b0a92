"""Which machine each stage runs: the install machine, the verify machine and the machine made from an image.

The install document and the final one are two: the final one has no medium and no kernel. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.domain_spec import (
    Accelerator,
    CpuMode,
    DirectKernel,
    DomainDisk,
    DomainNic,
    DomainSpec,
    passing_mac,
)
from imgpipe.os_family import CacheMode, Hardware
from imgpipe.plan import Plan
from imgpipe.recipe import Machine

INSTALL_DISK = "installed.qcow2"
CONSOLE = "console.log"
INSTALLER_LOG = "installer.log"
REPORT = "report"
REPORT_CHANNEL = "org.imgpipe.verify.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalMachine:
    """A machine made from an image: what its owner decides; the image's system decides the rest.

    `backing` is the image that the disk is an overlay of, `seed` is a small CD, `ports` are virtio-serial ports that
    the host opens.
    """

    name: str
    machine: Machine
    hardware: Hardware
    cache: CacheMode
    disk: Path
    nics: tuple[DomainNic, ...] = ()
    accelerator: Accelerator = "kvm"
    oem_strings: tuple[str, ...] = ()
    os_id: str = ""
    uuid: str = ""
    metadata: str = ""
    nvram: Path | None = None
    backing: Path | None = None
    seed: Path | None = None
    ports: tuple[str, ...] = ()
    cpu: CpuMode = "host-passthrough"
    as_root: bool = False


def install_domain(plan: Plan, medium: Medium, seed: SeedMedia, folder: Path, accelerator: Accelerator) -> DomainSpec:
    """Return the machine that the installer runs in; its disk is a file of `folder`.

    An installer that was started by its kernel would start over at a reset, so that the machine ends there. UEFI resets
    itself before it starts anything where its variables are empty: that machine ends at resets once the installer runs
    (see stages.install).
    """
    direct = None
    if seed.kernel:
        direct = DirectKernel(kernel=seed.kernel, initrd=seed.initrd, arguments=seed.arguments)
    log = plan.unattended.console.log_channel
    return DomainSpec(
        name=f"imgpipe-install-{folder.name}",
        machine=plan.machine,
        hardware=plan.unattended.hardware,
        accelerator=accelerator,
        disk=DomainDisk(path=folder / f"{INSTALL_DISK}.partial", cache=plan.install_cache, stop_on_error=True),
        nics=_passing_nics(plan, plan.install_network),
        cds=(medium.path, *(other.path for other in medium.further), *((seed.iso,) if seed.iso else ())),
        direct=direct,
        ports=(log,) if log else (),
        # What seals itself installs its drivers and its agent before, which look for the devices they are for.
        guest_agent=plan.unattended.sealing is not None,
        nvram=folder / "install-nvram.fd",
        screen=True,
        ends_at_reset=direct is not None and plan.machine.firmware == "bios",
    )


def verify_domain(plan: Plan, disk: DomainDisk, folder: Path, accelerator: Accelerator) -> DomainSpec:
    """Return the throwaway machine that boots `disk`; its UEFI variables are a file of `folder`."""
    return DomainSpec(
        name=f"imgpipe-{folder.name}",
        machine=plan.machine,
        hardware=plan.unattended.hardware,
        accelerator=accelerator,
        disk=disk,
        nics=_passing_nics(plan, "user"),
        ports=(REPORT_CHANNEL,),
        guest_agent=True,
        nvram=folder / "nvram.fd",
        screen=True,
    )


def final_domain(final: FinalMachine) -> DomainSpec:
    """Return a machine made from an image: no medium but its seed, no kernel, a console for `virsh console`."""
    return DomainSpec(
        name=final.name,
        machine=final.machine,
        hardware=final.hardware,
        accelerator=final.accelerator,
        disk=DomainDisk(path=final.disk, cache=final.cache, backing=final.backing),
        nics=final.nics,
        cds=(final.seed,) if final.seed else (),
        ports=final.ports,
        guest_agent=True,
        hotplug=True,
        nvram=final.nvram,
        oem_strings=final.oem_strings,
        os_id=final.os_id,
        uuid=final.uuid,
        metadata=final.metadata,
        cpu=final.cpu,
        as_root=final.as_root,
    )


def _passing_nics(plan: Plan, kind: str) -> tuple[DomainNic, ...]:
    """Return NICs of a machine that will not stay: the recipe's MACs, else ones that any build may use again."""
    return tuple(
        DomainNic(kind="user" if kind == "user" else "isolated", mac=passing_mac(nic, index))
        for index, nic in enumerate(plan.nics)
    )
