"""Orders for Ubuntu, as the pipeline would place them."""

from __future__ import annotations

from imgpipe.os_family import Account, Order
from imgpipe.recipe import Recipe
from imgpipe_ubuntu.options import UbuntuOptions
from imgpipe_ubuntu.systems import RELEASES

HASH = "$6$saltsaltsalt$" + "a" * 86


def order(changes: dict | None = None, *, system: str = "ubuntu24.04", own: str | None = None) -> Order:
    """Return an order for `system`; `changes` are tables of the recipe, accounts with a password get HASH."""
    changes = dict(changes or {})
    recipe = Recipe.model_validate({"name": "r", "os": system, **changes})
    options = UbuntuOptions.model_validate(recipe.options)
    names = [("root", recipe.guest.root), *((user.name, user) for user in recipe.guest.users)]
    accounts = {name: Account(name=name, password_hash=HASH if item.password else "") for name, item in names}
    return Order(
        recipe=recipe,
        system=RELEASES[system].system,
        options=options,
        accounts=accounts,
        own_answer_file=own,
        mirror="http://mirror.invalid/debian",
    )


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtleWtleWtleWtleWtleWtleWtleWtleWtleWtleWtleWtl me@here"

FULL = {
    "guest": {
        "hostname": "template.example.org",
        "timezone": "Asia/Shanghai",
        "packages": {"remove": ["plymouth"]},
        "services": {"enable": ["chrony.service"], "disable": ["apport.service"]},
        "sysctl": {"vm.swappiness": 10},
        "limits": {"nofile": 1048576, "nproc": 65535},
        "sshd": {"UseDNS": "no"},
        "firewall": True,
        "kernel_arguments": ["mitigations=off"],
        "root": {"password": {"env": "ROOT"}, "keys": [KEY]},
        "users": [
            {"name": "ops", "comment": "The Operators", "groups": ["sudo"], "password": {"env": "P"}, "keys": [KEY]}
        ],
    }
}
