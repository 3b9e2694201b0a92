"""NoCloud documents for guests with cloud-init (cloudinit.readthedocs.io: NoCloud, cloud-config modules).

Keys are those that cloud-init of Ubuntu 22.04 (22.1) has too. A changed identity has another instance id, so that
cloud-init applies it at the next boot.
"""

from __future__ import annotations

from typing import Any

import yaml

from imgpipe.deploy.wanted import Identity, WantedFile, WantedUser
from imgpipe.identity.digest import identity_digest
from imgpipe.identity.document import encoded
from imgpipe.identity.network.netplan import network

VOLUME_ID = "cidata"
APPLIED = "/var/lib/imgpipe/identity"
"""The digest of the identity that a guest has taken; the reporter tells it."""


def documents(identity: Identity, name: str) -> tuple[tuple[str, str], ...]:
    """Return the seed's files for the machine `name`."""
    digest = identity_digest(identity)
    meta = {"instance-id": f"{name}-{digest}", "local-hostname": identity.hostname}
    return (
        ("meta-data", _yaml(meta)),
        ("user-data", "#cloud-config\n" + _yaml(_user_data(identity, digest))),
        ("network-config", _yaml(network(identity.nics))),
    )


def _user_data(identity: Identity, digest: str) -> dict[str, Any]:
    short = identity.hostname.partition(".")[0]
    names = {"hostname": short} if short == identity.hostname else {"hostname": short, "fqdn": identity.hostname}
    applied = WantedFile(path=APPLIED, text=f"{digest}\n", mode=0o600)
    root = WantedUser(name="root", keys=identity.keys, password_hash=identity.password_hash)
    users = [_account(root)] if root.keys or root.password_hash else []
    return {
        **names,
        "prefer_fqdn_over_hostname": True,
        "manage_etc_hosts": "localhost",
        "disable_root": False,
        "users": [*users, *(_account(user) | _new(user) for user in identity.users)],
        "write_files": [_file(file) for file in (*identity.files, applied)],
    }


def _account(user: WantedUser) -> dict[str, Any]:
    account: dict[str, Any] = {"name": user.name}
    if user.keys:
        account["ssh_authorized_keys"] = list(user.keys)
    if user.password_hash:
        account["hashed_passwd"] = user.password_hash
    # cloud-init locks every account that is not said to stay open, root too.
    account["lock_passwd"] = not user.password_hash and user.name != "root"
    return account


def _new(user: WantedUser) -> dict[str, Any]:
    account: dict[str, Any] = {"shell": "/bin/bash"}
    if user.comment:
        account["gecos"] = user.comment
    if user.groups:
        account["groups"] = list(user.groups)
    return account


def _file(file: WantedFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "encoding": "b64",
        "content": "" if not file.text else encoded(file.text),
        "owner": file.owner,
        "permissions": f"{file.mode:04o}",
        # Users have to be there before what they own.
        "defer": True,
    }


def _yaml(value: dict[str, Any]) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=1000)
