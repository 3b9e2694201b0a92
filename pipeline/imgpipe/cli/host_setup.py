"""`imgpipe host setup`: from a fresh system to a host on which doctor finds nothing wrong."""

from __future__ import annotations

import grp
import os
import pwd
from contextlib import closing, suppress
from typing import Annotated

import typer

from imgpipe.cli import context, output
from imgpipe.home import login_name

_LONGEST_SECONDS = 3600
_GROUPS = ("libvirt", "kvm")
"""Groups whose members may use libvirt and KVM; setup.sh lets the user in."""
# Package managers take minutes: what they say is shown as it comes, and that is their stderr too.
_SHOWN = 'exec bash "$0" "$@" 2>&1'


def set_up(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before anything is changed.")] = False,
) -> None:
    """Install packages, start libvirt, let you use it, make the pool of machines' disks; then say what doctor says.

    What is there already stays as it is, so it can be run again at any time. Bridges are 'imgpipe host network'.

    Examples:

      imgpipe host setup

      imgpipe host setup --yes

      sudo imgpipe host setup
    """
    from imgpipe.adapters import installed
    from imgpipe.cli import doctor
    from imgpipe.host.distribution import this_host

    to_do = _to_do()
    for line in to_do:
        output.tell(line)
    if not to_do:
        output.tell("Packages, libvirt's sockets, your groups and the storage pool are as they should be already.")
        doctor.doctor(fix=yes, yes=yes)
        return
    output.confirm(f"Set this host ({this_host().title}) up?", yes=yes)
    _run_script("--yes")
    if serving := installed.daemons():
        _run_script("--start", *serving.sockets)
    _make_pool()
    # Again, because what was mended shows what else there is: folders that QEMU may not enter, labels, pools.
    doctor.doctor(fix=True, yes=True)


def _run_script(*words: str) -> None:
    from imgpipe.adapters import process
    from imgpipe.host.distribution import SCRIPT

    process.follow("sh", "-c", _SHOWN, SCRIPT, *words, heard=_hear, timeout_s=_LONGEST_SECONDS)


def _to_do() -> tuple[str, ...]:
    """Return what is not as it should be, each with what the set-up does about it."""
    from imgpipe.adapters.installed import daemons, idle_sockets, missing_packages
    from imgpipe.host.distribution import this_host

    here = this_host()
    wanted = {one.package: one.reason for one in here.used()}
    lacking = missing_packages(here.family, wanted)
    untried = "" if here.tried() else " (this list has not been tried)"
    packages = [f"to install: '{name}', {wanted[name]}{untried}" for name in lacking]
    # Which of them serve is seen once they are installed.
    idle = idle_sockets() if daemons() else ("the sockets of libvirt",)
    starts = [f"to start: {', '.join(idle)}, now and at each boot"] if idle else []
    return (*packages, *starts, *_groups_to_join(), *_pool_to_make())


def _groups_to_join() -> tuple[str, ...]:
    """Return what is said of groups that the user does not belong to, or that come with libvirt's packages only."""
    user = os.environ.get("SUDO_USER") or login_name()
    if user == "root":
        return ()
    absent = [f"'{name}'" for name in _GROUPS if not _belongs(user, name)]
    return (f"to let in: '{user}', who joins {' and '.join(absent)}",) if absent else ()


def _belongs(user: str, name: str) -> bool:
    with suppress(KeyError):
        group = grp.getgrnam(name)
        return user in group.gr_mem or pwd.getpwnam(user).pw_gid == group.gr_gid
    return False


def _pool_to_make() -> tuple[str, ...]:
    """Return what is said of the storage pool; nothing where it is there and started."""
    from imgpipe.adapters.pools import is_open
    from imgpipe.errors import ImgpipeError

    named, folder = context.settings().pool, context.store().root / "machines"
    # A libvirt that does not answer yet is one of the things that the set-up mends.
    with suppress(ImgpipeError), closing(context.hypervisor(lambda _: None, planned=True)) as hypervisor:
        if is_open(hypervisor, named, folder):
            return ()
    if named:
        return (f"to start: the storage pool '{named}', which the settings name",)
    return (f"to make and start: the storage pool of machines' disks, in '{folder}'",)


def _make_pool() -> None:
    """Make the pool and its folder as a deploy would; one that the settings name must be there already."""
    from imgpipe.adapters.pools import open_pool
    from imgpipe.errors import ImgpipeError
    from imgpipe.events import Event, Note

    def notify(event: Event) -> None:
        if isinstance(event, Note):
            output.tell(event.text)

    try:
        with closing(context.hypervisor(notify)) as hypervisor:
            open_pool(hypervisor, context.settings().pool, context.store().root / "machines", notify)
    except ImgpipeError as error:
        # A new member of a group is one from the next login on; doctor says the rest.
        output.tell(f"warning: the pool was not made: {error} {error.hint}")


def _hear(text: str) -> None:
    output.pass_on(text)
