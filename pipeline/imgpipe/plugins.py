"""The plugins, as typed answers: the only module that speaks to pluggy's manager."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TypeVar

import pluggy
import typer

from imgpipe import hookspecs
from imgpipe.artifacts import GoldenImage, InstalledDisk, Medium, SealedDisk, SeedMedia, VerifiedDisk
from imgpipe.errors import PluginError, RecipeError
from imgpipe.events import Event
from imgpipe.offline_edits import Operation
from imgpipe.os_family import Check, MediumMaker, Order, OsFamily, System, Unattended
from imgpipe.plan import Plan
from imgpipe.recipe import Recipe
from imgpipe.workplace import Workplace

_log = logging.getLogger(__name__)
T = TypeVar("T")


class Plugins:
    """All registered plugins; the core's own stages are one of them."""

    def __init__(self, modules: Iterable[object] = ()) -> None:
        self._manager = pluggy.PluginManager("imgpipe")
        self._manager.add_hookspecs(hookspecs)
        for module in modules:
            self._manager.register(module)

    @classmethod
    def load(cls) -> Plugins:
        """Register the core and every plugin with an entry point; a misspelt or unknown hook is a PluginError."""
        from imgpipe import core  # noqa: PLC0415 (the stages import much that `imgpipe --help` does not need)

        plugins = cls([core])
        try:
            plugins._manager.load_setuptools_entrypoints("imgpipe")
            plugins._manager.check_pending()
        except (pluggy.PluginValidationError, ImportError) as error:
            raise PluginError(f"A plugin could not be loaded: {error}.", hint="Correct or uninstall it.") from error
        return plugins

    @cached_property
    def families(self) -> tuple[OsFamily, ...]:
        """Every family of operating systems; two that claim one system are a PluginError that names both."""
        families = tuple(_flat(self._manager.hook.imgpipe_os_families()))
        claimed: dict[str, OsFamily] = {}
        for family in families:
            for system in family.systems:
                if system.name in claimed:
                    raise PluginError(
                        f"The plugins '{claimed[system.name].name}' and '{family.name}' both claim the operating "
                        f"system '{system.name}'.",
                        hint="Uninstall one of them.",
                    )
                claimed[system.name] = family
        return families

    @cached_property
    def makers(self) -> dict[str, MediumMaker]:
        """What can make installation media, by name."""
        makers: dict[str, MediumMaker] = {}
        for maker in _flat(self._manager.hook.imgpipe_medium_makers()):
            if maker.name in makers:
                raise PluginError(f"Two plugins make a medium called '{maker.name}'.", hint="Uninstall one of them.")
            makers[maker.name] = maker
        return makers

    def system(self, name: str) -> tuple[OsFamily, System]:
        """Return the system called `name` and its family, or raise RecipeError that names the nearest ones."""
        systems = {system.name: (family, system) for family in self.families for system in family.systems}
        if name not in systems:
            # Who comes from virt-install knows libosinfo's names.
            near = [one for one, (_, system) in systems.items() if name and system.libosinfo == name]
            near = near or difflib.get_close_matches(name, systems, n=3)
            meant = f"Did you mean {', '.join(near)}? " if near else ""
            raise RecipeError(
                f"No plugin knows the operating system '{name}'.", hint=f"{meant}'imgpipe os list' shows all."
            )
        return systems[name]

    def operations(self, recipe: Recipe) -> tuple[Operation, ...]:
        """Return the core's and the sites' sysprep operations, the core's first."""
        answers = self._manager.hook.imgpipe_operations(recipe=recipe)
        return tuple(_flat(reversed(answers)))

    def checks(self, recipe: Recipe) -> tuple[Check, ...]:
        """Return the core's and the sites' checks, the core's first."""
        answers = self._manager.hook.imgpipe_checks(recipe=recipe)
        return tuple(_flat(reversed(answers)))

    def notify(self, event: Event) -> None:
        """Tell every plugin; an observer that raises is logged, and fails nothing."""
        for implementation in self._manager.hook.imgpipe_event.get_hookimpls():
            try:
                implementation.function(event)
            except Exception:
                _log.exception("the plugin '%s' failed on %r", implementation.plugin_name, event)

    def add_commands(self, app: typer.Typer) -> None:
        """Let plugins add commands of their own."""
        self._manager.hook.imgpipe_commands(app=app)

    def render(self, family: OsFamily, order: Order) -> Unattended:
        """Ask how this recipe is installed."""
        return _answered(self._manager.hook.imgpipe_render(family=family, order=order), Unattended, "render")

    def seed(self, plan: Plan, medium: Medium, workplace: Workplace) -> SeedMedia:
        """Write what the installer boots from and reads."""
        answer = self._manager.hook.imgpipe_seed(plan=plan, medium=medium, workplace=workplace)
        return _answered(answer, SeedMedia, "seed")

    def install(self, plan: Plan, medium: Medium, seed: SeedMedia, workplace: Workplace) -> InstalledDisk:
        """Run the installer to its proven end."""
        answer = self._manager.hook.imgpipe_install(plan=plan, medium=medium, seed=seed, workplace=workplace)
        return _answered(answer, InstalledDisk, "install")

    def sysprep(self, plan: Plan, disk: InstalledDisk, workplace: Workplace) -> SealedDisk:
        """Generalize the disk offline."""
        answer = self._manager.hook.imgpipe_sysprep(plan=plan, disk=disk, workplace=workplace)
        return _answered(answer, SealedDisk, "sysprep")

    def verify(self, plan: Plan, disk: SealedDisk, workplace: Workplace) -> VerifiedDisk:
        """Boot a throwaway overlay and let the guest judge itself."""
        answer = self._manager.hook.imgpipe_verify(plan=plan, disk=disk, workplace=workplace)
        return _answered(answer, VerifiedDisk, "verify")

    def publish(self, plan: Plan, disk: VerifiedDisk, workplace: Workplace) -> GoldenImage:
        """Make the disk a golden image."""
        answer = self._manager.hook.imgpipe_publish(plan=plan, disk=disk, workplace=workplace)
        return _answered(answer, GoldenImage, "publish")


def _flat(answers: Iterable[Iterable[T]]) -> Iterator[T]:
    for answer in answers:
        yield from answer


def _answered(answer: object, kind: type[T], stage: str) -> T:
    if not isinstance(answer, kind):
        raise PluginError(
            f"A plugin answered the stage '{stage}' with {type(answer).__name__} instead of {kind.__name__}."
        )
    return answer
