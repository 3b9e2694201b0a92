"""The core as a plugin like any other: its stages, operations and checks, each of which a site may replace.

Stages are imported when they run: what they need (libvirt, pycdlib, requests) is slow to load.
"""

from __future__ import annotations

from imgpipe.artifacts import GoldenImage, InstalledDisk, Medium, SealedDisk, SeedMedia, VerifiedDisk
from imgpipe.checks import core_checks
from imgpipe.hookspecs import hookimpl
from imgpipe.offline_edits import Operation
from imgpipe.operations import core_operations
from imgpipe.os_family import Check, Order, OsFamily, Unattended
from imgpipe.plan import Plan
from imgpipe.recipe import Recipe
from imgpipe.workplace import Workplace


@hookimpl(trylast=True)
def imgpipe_operations(recipe: Recipe) -> tuple[Operation, ...]:
    """Rid every Linux system of what its clones must not share."""
    return core_operations(recipe)


@hookimpl(trylast=True)
def imgpipe_checks(recipe: Recipe) -> tuple[Check, ...]:
    """Ask the booted guest for what the recipe asked for."""
    return core_checks(recipe)


@hookimpl(trylast=True)
def imgpipe_render(family: OsFamily, order: Order) -> Unattended:
    """Let the family answer."""
    return family.prepare(order)


@hookimpl(trylast=True)
def imgpipe_seed(plan: Plan, medium: Medium, workplace: Workplace) -> SeedMedia:
    """Write kernel, initrd and seed ISO into the install's work folder."""
    from imgpipe.stages import seed

    return seed.write_seed(plan, medium, workplace)


@hookimpl(trylast=True)
def imgpipe_install(plan: Plan, medium: Medium, seed: SeedMedia, workplace: Workplace) -> InstalledDisk:
    """Install in a transient libvirt machine."""
    from imgpipe.stages import install

    return install.install(plan, medium, seed, workplace)


@hookimpl(trylast=True)
def imgpipe_sysprep(plan: Plan, disk: InstalledDisk, workplace: Workplace) -> SealedDisk:
    """Seal with one launch of libguestfs' appliance."""
    from imgpipe.stages import sysprep

    return sysprep.seal(plan, disk, workplace)


@hookimpl(trylast=True)
def imgpipe_verify(plan: Plan, disk: SealedDisk, workplace: Workplace) -> VerifiedDisk:
    """Boot an overlay with the checks put in."""
    from imgpipe.stages import verify

    return verify.verify(plan, disk, workplace)


@hookimpl(trylast=True)
def imgpipe_publish(plan: Plan, disk: VerifiedDisk, workplace: Workplace) -> GoldenImage:
    """Publish below `images/` of the data root."""
    from imgpipe.stages import publish

    return publish.publish(plan, disk, workplace)
