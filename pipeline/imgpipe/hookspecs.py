"""Every hook of imgpipe. A plugin imports `hookimpl` from here and needs to know nothing else of pluggy.

Hooks do three things only: register kinds, announce moments, or run one stage. A stage hook has one answer; the
core's own implementations are registered `trylast`, so a site replaces a stage by implementing its hook, or wraps
it with `hookimpl(wrapper=True)`. A plugin is a module named by an entry point of the group `imgpipe`.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy
import typer

from imgpipe.artifacts import GoldenImage, InstalledDisk, Medium, SealedDisk, SeedMedia, VerifiedDisk
from imgpipe.events import Event
from imgpipe.offline_edits import Operation
from imgpipe.os_family import Check, MediumMaker, Order, OsFamily, Unattended
from imgpipe.plan import Plan
from imgpipe.recipe import Recipe
from imgpipe.workplace import Workplace

hookspec = pluggy.HookspecMarker("imgpipe")
hookimpl = pluggy.HookimplMarker("imgpipe")


@hookspec
def imgpipe_os_families() -> Iterable[OsFamily]:  # type: ignore[empty-body]
    """Yield the families of operating systems that this plugin can install."""


@hookspec
def imgpipe_medium_makers() -> Iterable[MediumMaker]:  # type: ignore[empty-body]
    """Yield what this plugin can make installation media with, from packages."""


@hookspec
def imgpipe_operations(recipe: Recipe) -> Iterable[Operation]:  # type: ignore[empty-body]
    """Yield the site's own sysprep operations for this recipe; pure."""


@hookspec
def imgpipe_checks(recipe: Recipe) -> Iterable[Check]:  # type: ignore[empty-body]
    """Yield the site's own checks of the booted image; pure."""


@hookspec
def imgpipe_event(event: Event) -> None:
    """Hear of something that happened; what this raises is logged and fails nothing."""


@hookspec
def imgpipe_commands(app: typer.Typer) -> None:
    """Add commands to the command line."""


@hookspec(firstresult=True)
def imgpipe_render(family: OsFamily, order: Order) -> Unattended | None:
    """Decide how this recipe is installed, answer files included; pure."""


@hookspec(firstresult=True)
def imgpipe_seed(plan: Plan, medium: Medium, workplace: Workplace) -> SeedMedia | None:
    """Write what the installer boots from and reads: kernel, initrd, seed ISO."""


@hookspec(firstresult=True)
def imgpipe_install(plan: Plan, medium: Medium, seed: SeedMedia, workplace: Workplace) -> InstalledDisk | None:
    """Run the installer, watched, to its proven end."""


@hookspec(firstresult=True)
def imgpipe_sysprep(plan: Plan, disk: InstalledDisk, workplace: Workplace) -> SealedDisk | None:
    """Generalize a copy of the disk offline and assert that it is sealed."""


@hookspec(firstresult=True)
def imgpipe_verify(plan: Plan, disk: SealedDisk, workplace: Workplace) -> VerifiedDisk | None:
    """Boot a throwaway overlay of the disk and let the guest judge itself."""


@hookspec(firstresult=True)
def imgpipe_publish(plan: Plan, disk: VerifiedDisk, workplace: Workplace) -> GoldenImage | None:
    """Make the disk a golden image: compressed, read-only, versioned, with its manifest."""
