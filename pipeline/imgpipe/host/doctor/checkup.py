"""Everything that doctor looks at, as a table of contents; and the part that a build or a deploy asks for first."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from imgpipe.adapters import installed, process
from imgpipe.adapters.accelerator import asked_for, remembered
from imgpipe.adapters.kvm_device import KVM
from imgpipe.domain_spec import Accelerator
from imgpipe.host.distribution import Distribution, this_host
from imgpipe.host.doctor import (
    accelerator,
    bridges,
    clock,
    daemon,
    firmware,
    folders,
    guestfs,
    leftovers,
    media,
    programs,
)
from imgpipe.host.doctor.finding import Check, Finding
from imgpipe.host.room import LEAST_INSTALL
from imgpipe.images.retire import room_of
from imgpipe.media.request import MediumRequest
from imgpipe.plan import Plan
from imgpipe.settings import checkout
from imgpipe.store import Store

_SYSTEM = "qemu:///system"


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is looked at: this host as it would be used over `uri`, with this data root, media folders and pool."""

    uri: str
    store: Store
    media: tuple[Path, ...] = ()
    pool: str | None = None
    bridges: tuple[str, ...] = bridges.BRIDGES
    kvm: Path = KVM

    @cached_property
    def distribution(self) -> Distribution:
        """What this host runs."""
        return this_host()

    @cached_property
    def versions(self) -> dict[str, str]:
        """What is installed of QEMU and libvirt."""
        return installed.versions()

    @cached_property
    def accelerator(self) -> accelerator.AcceleratorFacts:
        """What is known of KVM without booting anything."""
        known = remembered(self.store.cache, self.uri, self.versions)
        return accelerator.gather(self.kvm, asked_for(), known)

    def folder(self, name: str) -> folders.FolderFacts:
        """Look at a folder of the data root."""
        return folders.gather(self.store.root / name, system=self.uri == _SYSTEM)


def checks(host: Host, *, deep: bool = False) -> tuple[Check, ...]:
    """Return everything; nothing is started, unless `deep` asks for a machine and an appliance that really boot."""
    return (*(_launches(host) if deep else _looks(host)), *_rest(host))


def _looks(host: Host) -> tuple[Check, ...]:
    return (
        Check("accelerator", lambda: (accelerator.judge(host.accelerator, getpass.getuser()),)),
        Check("libvirt", lambda: daemon.look_at(host.uri, host.pool)),
    )


def _launches(host: Host) -> tuple[Check, ...]:
    return (Check("launches", lambda: daemon.launch(host.uri, host.pool, host.store.cache, host.accelerator)),)


def _rest(host: Host) -> tuple[Check, ...]:
    return (
        Check("CPU", lambda: (accelerator.judge_cpu(host.accelerator, _qemu_version(host)),)),
        Check("QEMU", lambda: _programs(host)),
        Check("libguestfs", lambda: guestfs.judge(guestfs.gather(), host.distribution)),
        Check("UEFI", lambda: firmware.judge(firmware.gather(), host.distribution)),
        Check("data root", lambda: _folders(host)),
        Check("AppArmor", folders.app_armor),
        *(Check(f"bridge {name}", _bridge(name)) for name in host.bridges),
        Check("media", lambda: (media.judge(media.gather(host.media, host.store), host.store),)),
        Check("clock", lambda: clock.judge(clock.gather())),
        Check("leftovers", lambda: (_leftovers(host),)),
    )


def recipe_checks(
    host: Host, plan: Plan, request: MediumRequest | None = None, used: Accelerator | None = None
) -> tuple[Check, ...]:
    """Return what a recipe needs beyond that; `used` is the accelerator, where it is known better than here."""
    hardware = plan.unattended.hardware
    needs = {"uefi": plan.machine.firmware == "uefi", "secure_boot": hardware.secure_boot, "tpm": hardware.tpm}
    return (
        Check("CPU", lambda: (_cpu_for(host, plan, used),)),
        Check("room", lambda: (_room_for(host, plan),)),
        Check("libguestfs", lambda: guestfs.judge(guestfs.gather(), host.distribution)),
        Check("UEFI", lambda: firmware.judge_needs(firmware.gather(), host.distribution, **needs)),
        *((Check("medium", lambda: (media.judge_request(request, host.store),)),) if request else ()),
    )


def _cpu_for(host: Host, plan: Plan, used: Accelerator | None) -> Finding:
    facts = host.accelerator
    if used and used != facts.used:
        facts = accelerator.AcceleratorFacts(device=facts.device, cpu_flags=facts.cpu_flags, asked=used)
    return accelerator.judge_cpu(facts, _qemu_version(host), plan.system.cpu_level, plan.system.title)


def _room_for(host: Host, plan: Plan) -> Finding:
    """An install and the sealed copy of it lie in the work folder, and the compressed image beside it."""
    disk = plan.machine.disk
    return folders.judge_room(host.folder("work"), min(disk, LEAST_INSTALL), 2 * disk)


def _programs(host: Host) -> Iterator[Finding]:
    wanted = {one.package: one.reason for one in host.distribution.wanted() if one.group != "test"}
    lacking = installed.missing_packages(host.distribution.family, wanted)
    facts = programs.ProgramFacts(
        versions=host.versions,
        qemu_img=process.is_installed("qemu-img"),
        missing={name: wanted[name] for name in lacking},
        checkout=checkout() is not None,
    )
    return programs.judge(facts, host.distribution, host.accelerator.used)


def _folders(host: Host) -> Iterator[Finding]:
    """Images and machines lie beside each other in the data root, so one of them is looked at."""
    facts = host.folder("images")
    yield from folders.judge(facts, host.store)
    yield folders.judge_room(facts)


def _bridge(name: str) -> Callable[[], tuple[Finding, ...]]:
    return lambda: (bridges.judge(bridges.gather(name)),)


def _leftovers(host: Host) -> Finding:
    found = leftovers.gather(host.store)
    return leftovers.judge(found, room_of(found))


def _qemu_version(host: Host) -> tuple[int, ...]:
    return programs.version_of(host.versions.get("qemu", ""))
