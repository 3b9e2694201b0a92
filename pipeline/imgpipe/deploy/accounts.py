"""The passwords that a fleet names, hashed, before anything is planned."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imgpipe.deploy.fleet import Fleet
from imgpipe.deploy.wanted import Template
from imgpipe.errors import RecipeError
from imgpipe.os_family import Account
from imgpipe.passwords import Vault
from imgpipe.recipe import SecretSource


def account_key(place: str, user: str) -> str:
    """Return the name of an account among those that `accounts_of` answers; `place` is as in `Fleet.shapes`."""
    return f"{place}/{user}"


def plain_places(fleet: Fleet, templates: Mapping[str, Template]) -> frozenset[str]:
    """Return the places of a fleet whose machines are told a password and not its hash."""
    windows = {name for name, template in templates.items() if template.personalise.is_windows}
    return frozenset(place for place, shape in fleet.shapes().items() if shape.template in windows)


def accounts_of(fleet: Fleet, vault: Vault, plain: Collection[str] = ()) -> dict[str, Account]:
    """Return every account that gets a password, by `account_key`; raises RecipeError that lists what is missing.

    In the places `plain`, whose systems take no hash, root's password is kept as it was given, too.
    """
    accounts: dict[str, Account] = {}
    missing: dict[str, None] = {}
    known: dict[tuple[str, SecretSource], str] = {}
    for place, shape in fleet.shapes().items():
        for name, source in (("root", shape.root.password), *((user.name, user.password) for user in shape.users)):
            if source is None:
                continue
            try:
                if (name, source) not in known:
                    known[name, source] = vault.password_hash(f"fleet/{fleet.name}/{name}", source)
                password = vault.password(source) if place in plain and name == "root" else ""
            except RecipeError as error:
                missing[f"password of '{name}': {error}"] = None
                continue
            account = Account(name=name, password_hash=known[name, source], password=password)
            accounts[account_key(place, name)] = account
    if missing:
        raise RecipeError(f"The fleet '{fleet.name}' names secrets that are not there.", details=missing)
    return accounts
