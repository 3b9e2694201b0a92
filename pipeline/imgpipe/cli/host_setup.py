"""`imgpipe host setup`: from a fresh system to a host on which doctor finds nothing wrong."""

from __future__ import annotations

import os
from contextlib import closing
from typing import Annotated

import typer

from imgpipe.cli import context, output
from imgpipe.home import login_name

_LONGEST_SECONDS = 3600
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

    for line in _to_do():
        output.tell(line)
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
    from imgpipe.adapters.installed import missing_packages
    from imgpipe.host.distribution import this_host

    here = this_host()
    wanted = {one.package: one.reason for one in here.used()}
    lacking = missing_packages(here.family, wanted)
    untried = "" if here.tried() else " (this list has not been tried)"
    packages = [f"to install: '{name}', {wanted[name]}{untried}" for name in lacking]
    user = os.environ.get("SUDO_USER") or login_name()
    groups = () if user == "root" else (f"to let in: '{user}', who joins the groups 'libvirt' and 'kvm'",)
    folder = context.store().root / "machines"
    return (
        *packages,
        "to start: the sockets of libvirt, now and at each boot",
        *groups,
        f"to make: the storage pool of machines' disks, in '{folder}'",
    )


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
