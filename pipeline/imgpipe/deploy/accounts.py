"""The passwords that a fleet names, hashed, before anything is planned."""

from __future__ import annotations

from imgpipe.deploy.fleet import Fleet
from imgpipe.errors import RecipeError
from imgpipe.os_family import Account
from imgpipe.passwords import Vault
from imgpipe.recipe import SecretSource


def account_key(group: str, user: str) -> str:
    """Return the name of an account among those that `accounts_of` answers."""
    return f"{group}/{user}"


def accounts_of(fleet: Fleet, vault: Vault) -> dict[str, Account]:
    """Return every account that gets a password, by `account_key`; raises RecipeError that lists what is missing."""
    accounts: dict[str, Account] = {}
    missing: dict[str, None] = {}
    known: dict[tuple[str, SecretSource], str] = {}
    for group in fleet.groups:
        shape = fleet.group(group)
        for name, source in (("root", shape.root.password), *((user.name, user.password) for user in shape.users)):
            if source is None:
                continue
            try:
                if (name, source) not in known:
                    known[name, source] = vault.password_hash(f"fleet/{fleet.name}/{name}", source)
            except RecipeError as error:
                missing[f"password of '{name}': {error}"] = None
                continue
            accounts[account_key(group, name)] = Account(name=name, password_hash=known[name, source])
    if missing:
        raise RecipeError(f"The fleet '{fleet.name}' names secrets that are not there.", details=missing)
    return accounts
