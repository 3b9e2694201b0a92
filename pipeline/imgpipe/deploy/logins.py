"""Who can log in to a machine of a deploy: by what its image lets in, and by what the fleet adds to that."""

from __future__ import annotations

from imgpipe.deploy.wanted import WantedMachine
from imgpipe.logins import ADMINISTRATOR, Login, listed, open_ones


def who_can_log_in(machine: WantedMachine) -> str:
    """Return who can log in, in words; NOBODY where that is certain."""
    template = machine.template
    windows = template.personalise.is_windows
    given = _logins(machine)
    if template.logins is not None or windows:
        return listed(given)
    others = f"whoever can log in to '{template.reference}'"
    return f"{listed(given)}, and {others}" if given else f"{others}, which imgpipe cannot tell"


def login_of(machine: WantedMachine) -> str:
    """Return the account that ssh is told to log in as: root's where it lets somebody in; empty where none is known."""
    names = [login.name for login in _logins(machine)]
    found = next((name for name in ("root", ADMINISTRATOR) if name in names), names[0] if names else "")
    return "Administrator" if found == ADMINISTRATOR else found


def _logins(machine: WantedMachine) -> tuple[Login, ...]:
    """Return the accounts that let somebody in: a fleet adds to what is in the image, it locks nobody out."""
    identity, template = machine.identity, machine.template
    root = Login(
        name=ADMINISTRATOR if template.personalise.is_windows else "root",
        password=bool(identity.password_hash),
        keys=len(identity.keys),
    )
    users = (Login(name=user.name, password=bool(user.password_hash), keys=len(user.keys)) for user in identity.users)
    return open_ones((*(template.logins or ()), root, *users))
