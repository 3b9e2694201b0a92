"""The core's sysprep operations for Linux: what a clone must not share with its template.

They cover virt-sysprep's default list for Linux and what it leaves (facts of NetworkManager, systemd, cloud-init and
the installers), with these differences on purpose:

- nothing is refilled afterwards: /etc/machine-id stays an empty file;
- the NICs that the recipe names keep their profiles, and authorized keys stay unless the recipe says otherwise;
- the UUIDs of LVM and file systems stay: GRUB finds its files by them ('lvmid/...'), and clones live apart.
"""

from __future__ import annotations

from imgpipe.identity import first_boot
from imgpipe.offline_edits import Operation
from imgpipe.operations import identity, installers, logs, network, packages, secrets, services, users
from imgpipe.recipe import Nic, Recipe


def core_operations(recipe: Recipe) -> tuple[Operation, ...]:
    """Return every operation of the core for this recipe, those that are off by default too, in order."""
    return _operations(recipe.nics, hostname=recipe.guest.hostname or "", keep_keys=recipe.sysprep.keep_keys)


def _operations(nics: tuple[Nic, ...], *, hostname: str, keep_keys: bool) -> tuple[Operation, ...]:
    return (
        *installers.OPERATIONS,
        *network.operations(nics),
        *identity.operations(hostname),
        *secrets.operations(keep_keys=keep_keys),
        *services.OPERATIONS,
        *users.OPERATIONS,
        *packages.OPERATIONS,
        *logs.OPERATIONS,
        *first_boot.OPERATIONS,
    )


CORE: tuple[Operation, ...] = _operations((Nic(name="eth0"),), hostname="", keep_keys=True)
"""As for a recipe that says nothing."""
