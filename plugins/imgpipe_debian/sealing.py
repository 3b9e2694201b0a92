"""What is particular about sealing and checking a Debian image."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, DropLines, Operation, Remove
from imgpipe.os_family import Check
from imgpipe.recipe import Recipe

# The logs hold the answers of the whole installation, the password's hash among them.
_LEFTOVERS = (
    "/var/log/installer",
    "/var/lib/debconf-installer",
    "/var/cache/debconf/*-old",
    "/etc/apt/apt.conf.d/00CDMountPoint",
    "/etc/dpkg/dpkg.cfg.d/force-unsafe-io",
)

OPERATIONS = (
    Operation(
        name="debian-installer",
        description="Remove debian-installer's logs and answers, and what made dpkg fast during the installation.",
        # A proxy that takes a login was the build's own; apt-setup keeps it for the installed system.
        steps=(
            Remove(patterns=_LEFTOVERS),
            DropLines(path="/etc/apt/apt.conf", pattern=r"(?i)^\s*acquire::\w+::proxy\s.*://[^/\s]*@"),
        ),
        sealed=(Absent(patterns=_LEFTOVERS),),
    ),
)


def checks(recipe: Recipe) -> tuple[Check, ...]:
    """Return what must hold in a booted clone, beyond what the core checks; account names need no quoting."""
    accounts = (
        Check(name=f"the account {user.name} exists", script=f"getent passwd {user.name} >/dev/null")
        for user in recipe.guest.users
    )
    return (
        Check(name="dpkg is in order", script='test -z "$(dpkg --audit)"'),
        Check(name="sshd accepts its configuration", script="mkdir -p /run/sshd && /usr/sbin/sshd -t"),
        *accounts,
    )
