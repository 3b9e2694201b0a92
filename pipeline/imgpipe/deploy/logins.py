"""Who can log in to a machine of a deploy: by what its image lets in, and by what the fleet adds to that."""

from __future__ import annotations

from imgpipe.deploy.wanted import WantedMachine
from imgpipe.logins import ADMINISTRATOR, Login, listed, open_ones


def who_can_log_in(machine: WantedMachine) -> str:
    """Return who can log in, in words; NOBODY where that is certain."""
    identity, template = machine.identity, machine.template
    windows = template.personalise.is_windows
    root = Login(
        name=ADMINISTRATOR if windows else "root", password=bool(identity.password_hash), keys=len(identity.keys)
    )
    users = (Login(name=user.name, password=bool(user.password_hash), keys=len(user.keys)) for user in identity.users)
    # A fleet adds to what is in the image: it locks nobody out.
    given = open_ones((*(template.logins or ()), root, *users))
    if template.logins is not None or windows:
        return listed(given)
    others = f"whoever can log in to '{template.reference}'"
    return f"{listed(given)}, and {others}" if given else f"{others}, which imgpipe cannot tell"
