"""NoCloud documents for Windows guests with cloudbase-init (cloudbase-init.readthedocs.io: NoCloud, cloud-config).

It differs from cloud-init: NoCloud has no administrator's password, so the account stands among the users, with the
password itself, for it takes no hash; and nothing else that a Linux guest is told means anything to it.
"""

from __future__ import annotations

from typing import Any

import yaml

from imgpipe.deploy.wanted import Identity
from imgpipe.errors import RecipeError
from imgpipe.identity.digest import identity_digest
from imgpipe.identity.network.netplan import network

ADMINISTRATOR = "Administrator"


def documents(identity: Identity, name: str) -> tuple[tuple[str, str], ...]:
    """Return the seed's files for the machine `name`; raises RecipeError for what such a guest cannot be told."""
    if identity.users or identity.files or identity.keys:
        raise RecipeError("clones of Windows get no users, files or keys, only the administrator's password")
    meta = {"instance-id": f"{name}-{identity_digest(identity)}", "local-hostname": identity.hostname}
    return (
        ("meta-data", _yaml(meta)),
        ("user-data", "#cloud-config\n" + _yaml(_user_data(identity))),
        ("network-config", _yaml(network(identity.nics))),
    )


def _user_data(identity: Identity) -> dict[str, Any]:
    # cloudbase-init cuts it to 15 characters by itself, as planning does when it looks for clashes.
    short = identity.hostname.partition(".")[0]
    account = {"name": ADMINISTRATOR, "passwd": identity.password, "inactive": False}
    return {"set_hostname": short, **({"users": [account]} if identity.password else {})}


def _yaml(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=1000)
