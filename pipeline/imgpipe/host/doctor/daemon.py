"""Asking libvirt's daemon; and, where that is wanted, booting a machine and an appliance to see what works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from imgpipe.adapters import guest, installed
from imgpipe.adapters.accelerator import asked_for
from imgpipe.adapters.hypervisor import Hypervisor, connect, look
from imgpipe.adapters.libvirt_inventory import inventory
from imgpipe.adapters.temporary import temporary_folder
from imgpipe.domain_features import Features
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import HostError
from imgpipe.events import Event
from imgpipe.home import login_name
from imgpipe.host.distribution import this_host
from imgpipe.host.doctor import accelerator, folders, guestfs, labels, libvirt, support
from imgpipe.host.doctor.finding import Finding, of_error

SYSTEM = "qemu:///system"
_SYSTEMD = Path("/run/systemd/system")


def look_at(uri: str, pool: str | None, used: Accelerator | None = None) -> Iterator[Finding]:
    """Ask the daemon, if one runs; nothing is started but a user's own session daemon, which libvirt starts.

    `used` is the accelerator that machines will run with, if it is known.
    """
    try:
        hypervisor = look(uri, _unheard)
    except HostError as error:
        yield from libvirt.judge(_refused(uri, pool, error))
        return
    yield from _asked(hypervisor, uri, pool, used)


def features_at(uri: str, used: Accelerator | None) -> Features | None:
    """Return what libvirt takes of machines; None where no daemon runs that could be asked without starting it."""
    hypervisor = look(uri, _unheard)
    if hypervisor is None:
        return None
    with closing(hypervisor):
        return hypervisor.features(used or _offered(hypervisor))


def launch(uri: str, pool: str | None, cache: Path, known: accelerator.AcceleratorFacts) -> Iterator[Finding]:
    """Boot a kernel with KVM, whatever was found earlier, and an appliance with what works; ask the daemon too."""
    try:
        hypervisor = connect(uri, _unheard, cache)
    except HostError as error:
        yield accelerator.judge(known, login_name())
        yield from libvirt.judge(_refused(uri, pool, error))
        return
    with closing(hypervisor):
        works = hypervisor.try_accelerator()
        yield _tried(known, works)
        yield from _asked(hypervisor, uri, pool, works)
    yield from _appliance(works)


def _tried(known: accelerator.AcceleratorFacts, works: Accelerator) -> Finding:
    if asked_for() or not known.offered:
        return accelerator.judge(known, login_name())
    return accelerator.broken(known) if works == "tcg" else accelerator.works()


def _appliance(works: Accelerator) -> Iterator[Finding]:
    with temporary_folder() as folder:
        try:
            kernel, filesystems = guest.try_appliance(works, folder)
        except HostError as error:
            yield of_error("libguestfs launch", "fail", error)
            return
    yield from guestfs.launched(kernel, filesystems, this_host())


def _asked(hypervisor: Hypervisor | None, uri: str, pool: str | None, used: Accelerator | None) -> Iterator[Finding]:
    told, local, taken = None, False, tuple[Finding, ...]()
    if hypervisor is not None:
        local = hypervisor.local
        try:
            with closing(hypervisor):
                told = inventory(hypervisor)
                taken = tuple(_taken(hypervisor, used))
        except HostError as error:
            serving = installed.daemons()
            if serving is None or "virtstoraged" not in serving.helpers:
                raise
            # It answers, and the daemons of its pools and networks do not.
            yield from libvirt.judge(_refused(uri, pool, error))
            return
    yield from libvirt.judge(
        libvirt.DaemonFacts(
            uri=uri,
            daemons=installed.daemons(),
            systemd=_SYSTEMD.is_dir(),
            user=login_name(),
            inventory=told,
            startable=hypervisor is None and installed.daemons() is not None,
            pool=pool,
        )
    )
    yield from taken
    if local and told and pool and pool in told.folders and told.pools[pool]:
        folder, system = told.folders[pool], uri == SYSTEM
        yield from folders.judge(folders.gather(folder, system=system), None)
        yield from labels.judge(labels.gather(folder, system=system, root=os.geteuid() == 0), None)


def _taken(hypervisor: Hypervisor, used: Accelerator | None) -> Iterator[Finding]:
    try:
        yield from support.judge(hypervisor.features(used or _offered(hypervisor)), this_host())
    except HostError as error:
        yield of_error(support.NAME, "fail", error)


def _offered(hypervisor: Hypervisor) -> Accelerator:
    return "kvm" if hypervisor.offers_kvm() else "tcg"


def _refused(uri: str, pool: str | None, error: HostError) -> libvirt.DaemonFacts:
    return libvirt.DaemonFacts(
        uri=uri,
        daemons=installed.daemons(),
        systemd=_SYSTEMD.is_dir(),
        user=login_name(),
        error="; ".join(error.details[-1:]) or str(error),
        denied="refuses you" in str(error),
        pool=pool,
    )


def _unheard(_event: Event) -> None:
    """Hear of nothing: what the notes say is a finding as well."""
