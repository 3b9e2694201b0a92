"""What sysprep does to this family beyond the core's operations."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.os_family import Absent, Operation, Remove
from imgpipe.recipe import Recipe
from imgpipe_el.kickstart.proof import PROOF_FILE
from imgpipe_el.release import Release

_LEFTOVERS = (
    "/root/anaconda-ks.cfg",
    "/root/original-ks.cfg",
    "/root/initial-setup-ks.cfg",
    "/root/ks-post.log",
    "/root/install.log*",
    "/var/log/anaconda",
    PROOF_FILE,
)
INSTALLER_LEFTOVERS = Operation(
    name="installer-leftovers",
    description="Remove the kickstart, the installer's logs and the proof of the installation.",
    steps=(Remove(patterns=_LEFTOVERS),),
    sealed=(Absent(patterns=_LEFTOVERS),),
)
# The file names disks by their ids, which a clone's disk does not have: it would not find its own volumes.
LVM_SYSTEM_DEVICES = Operation(
    name="lvm-system-devices",
    description="Remove LVM's list of the template's devices, so that a clone finds its own.",
    steps=(Remove(patterns=("/etc/lvm/devices/system.devices",)),),
    sealed=(Absent(patterns=("/etc/lvm/devices/system.devices",)),),
)


def operations(recipe: Recipe, release: Release) -> Iterator[Operation]:
    """Yield this family's operations; profiles of NICs are swept only where their names are known."""
    yield INSTALLER_LEFTOVERS
    yield LVM_SYSTEM_DEVICES
    names = _nic_names(recipe)
    if names and not recipe.install.answer_file:
        yield _network_profiles(names, release)


def _network_profiles(names: tuple[str, ...], release: Release) -> Operation:
    if release.network_profiles == "keyfile":
        folder = "/etc/NetworkManager/system-connections"
        patterns, keep = (f"{folder}/*",), tuple(f"{folder}/{name}.nmconnection" for name in names)
    else:
        folder = "/etc/sysconfig/network-scripts"
        patterns, keep = (f"{folder}/ifcfg-*",), tuple(f"{folder}/ifcfg-{name}" for name in ("lo", *names))
    return Operation(
        name="network-profiles",
        description="Remove the NIC profiles that the recipe did not ask for.",
        steps=(Remove(patterns=patterns, keep=keep),),
        sealed=(Absent(patterns=patterns, keep=keep),),
    )


def _nic_names(recipe: Recipe) -> tuple[str, ...]:
    """Return the names after which Anaconda calls the profiles; empty where one cannot be known."""
    if not recipe.guest.classic_nic_names and not all(nic.name for nic in recipe.nics):
        return ()
    return tuple(nic.name or f"eth{index}" for index, nic in enumerate(recipe.nics))
