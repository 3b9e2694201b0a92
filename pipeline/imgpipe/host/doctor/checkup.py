"""Everything that doctor looks at, as a table of contents; and the part that a build or a deploy asks for first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from imgpipe.adapters import firewall, installed, process, qemu_img
from imgpipe.adapters.accelerator import asked_for, remembered
from imgpipe.adapters.kvm_device import KVM
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.domain_features import Features
from imgpipe.domain_spec import Accelerator
from imgpipe.home import login_name
from imgpipe.host.distribution import Distribution, this_host
from imgpipe.host.doctor import (
    accelerator,
    bridges,
    clock,
    daemon,
    denials,
    firmware,
    folders,
    guestfs,
    labels,
    leftovers,
    media,
    programs,
    reaping,
    support,
)
from imgpipe.host.doctor.finding import Check, Finding
from imgpipe.host.doctor.firmware import Needs
from imgpipe.host.room import LEAST_INSTALL
from imgpipe.images.retire import room_of
from imgpipe.media.request import MediumRequest
from imgpipe.os_family import Hardware
from imgpipe.plan import Plan
from imgpipe.recipe import Machine
from imgpipe.settings import checkout
from imgpipe.store import Store


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
        return accelerator.gather(self.kvm, asked_for(), known, system=self.uri == daemon.SYSTEM)

    def folder(self, name: str) -> folders.FolderFacts:
        """Look at a folder of the data root."""
        return folders.gather(self.store.root / name, system=self.uri == daemon.SYSTEM)

    def labels(self, disks: Iterable[Path], media: Iterable[Path] = (), *, perhaps: bool = False) -> Iterator[Finding]:
        """Say whether SELinux lets machines use disks and media in these folders, which are used, or `perhaps` will."""
        wanted: list[tuple[Path, labels.Use]] = [(path, "disks") for path in disks]
        wanted += ((path, "media") for path in media)
        system, root = self.uri == daemon.SYSTEM, os.geteuid() == 0
        return labels.find(wanted, self.store.root, system=system, root=root, perhaps=perhaps)

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """The folders of the data root in which files of machines lie; one that is not there yet gets its label."""
        return tuple(self.store.root / name for name in ("images", "work", "machines"))


def quick_checks(host: Host) -> tuple[Check, ...]:
    """Return what is asked of libvirt and KVM without starting anything."""
    return (
        Check("accelerator", lambda: (accelerator.judge(host.accelerator, login_name()),)),
        Check("libvirt", lambda: daemon.look_at(host.uri, host.pool, host.accelerator.used)),
    )


def launch_checks(host: Host) -> tuple[Check, ...]:
    """Return the same, with a machine and an appliance that really boot; the answer is remembered."""
    return (Check("launches", lambda: daemon.launch(host.uri, host.pool, host.store.cache, host.accelerator)),)


def file_checks(host: Host) -> tuple[Check, ...]:
    """Return what is told by programs and files of this host."""
    return (
        Check("CPU", lambda: (accelerator.judge_cpu(host.accelerator, _qemu_version(host)),)),
        Check("QEMU", lambda: _programs(host)),
        Check("libguestfs", lambda: guestfs.judge(guestfs.gather(), host.distribution)),
        Check("UEFI", lambda: firmware.judge(firmware.gather(), host.distribution)),
        Check("data root", lambda: _folders(host)),
        Check("room", lambda: (folders.judge_room(host.folder("images")),)),
        Check("AppArmor", folders.app_armor),
        Check("SELinux", lambda: host.labels(host.own_folders, media.gather(host.media, host.store), perhaps=True)),
        Check("SELinux denials", denials.judge),
        *(Check(f"bridge {name}", _bridge(name)) for name in host.bridges),
        Check("media", lambda: (media.judge(media.gather(host.media, host.store), host.store),)),
        Check("clock", lambda: clock.judge(clock.gather(), host.distribution)),
        Check(reaping.NAME, reaping.find),
        Check("leftovers", lambda: (_leftovers(host),)),
    )


def build_checks(
    host: Host, plan: Plan, used: Accelerator | None = None, media: Iterable[Path] = ()
) -> tuple[Check, ...]:
    """Return what would stop a build after a while; `used` is the accelerator, where it is known better than here.

    `media` are the files that it installs from.

    The stages themselves look for room, and at what QEMU's user can reach.
    """
    wanted = Needs(
        uefi=plan.machine.firmware == "uefi",
        secure_boot=plan.unattended.hardware.secure_boot,
        tpm=plan.unattended.hardware.tpm,
    )
    return (
        Check("CPU", lambda: (_cpu_for(host, plan, used),)),
        Check("libguestfs", lambda: _editor_for(host, plan)),
        Check("UEFI", lambda: firmware.judge_needs(firmware.gather(), host.distribution, wanted)),
        Check("SELinux", lambda: host.labels(host.own_folders[:2], [medium.parent for medium in media])),
    )


def recipe_checks(host: Host, plan: Plan, requests: Sequence[MediumRequest]) -> tuple[Check, ...]:
    """Return all that a recipe needs: what stops a build late, and what its stages look at themselves."""
    return (
        *build_checks(host, plan),
        Check("room", lambda: (_room_for(host, plan),)),
        Check(support.NAME, lambda: _run_by_libvirt(host, plan)),
        *(Check("medium", _medium(host, request)) for request in requests),
    )


def support_findings(
    host: Host, features: Features, machines: Iterable[tuple[Machine, Hardware]]
) -> tuple[Finding, ...]:
    """Return what keeps machines from running by a libvirt that was asked before, each reason once."""
    found = (one for kind in machines for one in support.judge_needs(features, host.distribution, *kind))
    return tuple(dict.fromkeys(found))


def machine_checks(host: Host, machines: Sequence[WantedMachine], folders: Iterable[Path] = ()) -> tuple[Check, ...]:
    """Return what would keep machines from starting; `folders` are those of their disks and what these stand on."""
    hardware = {
        (one.machine.firmware, one.template.hardware.secure_boot, one.template.hardware.tpm) for one in machines
    }
    wanted = [Needs(uefi=kind == "uefi", secure_boot=secure, tpm=tpm) for kind, secure, tpm in sorted(hardware)]
    disks = {one.template.disk: one.template.reference for one in machines}
    return (
        *(Check("UEFI", _needs(host, each)) for each in wanted),
        Check("compression", lambda: programs.judge_images(disks)),
        Check("SELinux", lambda: host.labels(folders)),
    )


def plugged_checks(names: Iterable[str]) -> tuple[Check, ...]:
    """Return what tells whether machines on these bridges reach anybody; whether they are there was asked before."""
    return tuple(Check(f"bridge {name}", _plugged(name)) for name in names)


def _plugged(name: str) -> Callable[[], Iterator[Finding]]:
    def find() -> Iterator[Finding]:
        facts = bridges.gather(name)
        if facts.kind != "missing":
            yield bridges.judge(facts, bridges.gather_nics())

    return find


def _needs(host: Host, wanted: Needs) -> Callable[[], Iterator[Finding]]:
    return lambda: firmware.judge_needs(firmware.gather(), host.distribution, wanted)


def _medium(host: Host, request: MediumRequest) -> Callable[[], tuple[Finding, ...]]:
    return lambda: (media.judge_request(request, host.store),)


def _cpu_for(host: Host, plan: Plan, used: Accelerator | None) -> Finding:
    facts = host.accelerator
    if used and used != facts.used:
        facts = replace(facts, asked=used)
    newer = host.distribution.newer_qemu()
    return accelerator.judge_cpu(facts, _qemu_version(host), plan.system.cpu_level, plan.system.title, newer)


def _editor_for(host: Host, plan: Plan) -> Iterator[Finding]:
    facts, sealing = guestfs.gather(), plan.unattended.sealing
    yield from guestfs.judge(facts, host.distribution)
    if sealing and sealing.volume.filesystem == "ntfs":
        yield from guestfs.judge_ntfs(facts, host.distribution)


def _run_by_libvirt(host: Host, plan: Plan) -> Iterator[Finding]:
    features = daemon.features_at(host.uri, host.accelerator.used)
    if features:
        yield from support.judge_needs(features, host.distribution, plan.machine, plan.unattended.hardware)


def _room_for(host: Host, plan: Plan) -> Finding:
    disk = plan.machine.disk
    # The installed disk and its sealed copy lie there together.
    return folders.judge_room(host.folder("work"), min(disk, LEAST_INSTALL), 2 * disk)


def _programs(host: Host) -> Iterator[Finding]:
    wanted = {one.package: one.reason for one in host.distribution.used()}
    lacking = installed.missing_packages(host.distribution.family, wanted)
    facts = programs.ProgramFacts(
        versions=host.versions,
        qemu_img=process.is_installed("qemu-img"),
        zstd=process.is_installed("qemu-img") and qemu_img.best_compression() == "zstd",
        missing={name: wanted[name] for name in lacking},
        checkout=checkout() is not None,
    )
    return programs.judge(facts, host.distribution, host.accelerator.used)


def _folders(host: Host) -> Iterator[Finding]:
    """Images and machines lie beside each other in the data root, so one of them is looked at."""
    return folders.judge(host.folder("images"), host.store.root)


def _bridge(name: str) -> Callable[[], Iterator[Finding]]:
    def find() -> Iterator[Finding]:
        facts = bridges.gather(name)
        yield bridges.judge(facts, bridges.gather_nics())
        if facts.kind == "bridge":
            yield from bridges.judge_firewall(firewall.look(name))

    return find


def _leftovers(host: Host) -> Finding:
    found = leftovers.gather(host.store)
    return leftovers.judge(found, room_of(found))


def _qemu_version(host: Host) -> tuple[int, ...]:
    return programs.version_of(host.versions.get("qemu", ""))
