"""Who can log in: told by plans of builds and deploys, because a machine that lets nobody in is of no use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imgpipe.os_family import Account
from imgpipe.recipe import Recipe, Root, User

NOBODY = "nobody"
ADMINISTRATOR = "the administrator"
"""What Windows has instead of root, whatever its language calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account that lets somebody in; `keys` is how many public keys it has."""

    name: str
    password: bool = False
    keys: int = 0


def of_recipe(recipe: Recipe, accounts: Mapping[str, Account], *, keeps_keys: bool, windows: bool) -> tuple[Login, ...]:
    """Return the accounts of an image that let somebody in, before any deploy adds to them."""
    named: list[tuple[str, str, Root | User]] = [("root", ADMINISTRATOR if windows else "root", recipe.guest.root)]
    named += ((user.name, user.name, user) for user in recipe.guest.users)
    found = (
        Login(
            name=shown,
            password=name in accounts and bool(accounts[name].password_hash),
            keys=len(account.keys) if keeps_keys else 0,
        )
        for name, shown, account in named
    )
    return open_ones(found)


def open_ones(logins: Iterable[Login]) -> tuple[Login, ...]:
    """Return those that let somebody in, one for each name: what several say of it holds together."""
    together: dict[str, Login] = {}
    for one in logins:
        known = together.get(one.name, Login(name=one.name))
        together[one.name] = Login(
            name=one.name, password=one.password or known.password, keys=max(one.keys, known.keys)
        )
    return tuple(one for one in together.values() if one.password or one.keys)


def listed(logins: Iterable[Login]) -> str:
    """Return 'root by password and 2 keys, ann by 1 key'; 'nobody' for none."""
    return ", ".join(f"{one.name} by {_ways(one)}" for one in logins) or NOBODY


def _ways(one: Login) -> str:
    keys = f"{one.keys} key{'s' * (one.keys > 1)}" if one.keys else ""
    return " and ".join(way for way in ("password" if one.password else "", keys) if way)
