"""From a recipe's name on the command line to its plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgpipe.cli import context
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from imgpipe.artifacts import Medium
    from imgpipe.events import Listener
    from imgpipe.media.request import MediumRequest
    from imgpipe.plan import Plan
    from imgpipe.recipe import Recipe

YES = "Let ./imgpipe install missing packages of the host without asking."


def complete_recipe(incomplete: str) -> list[str]:
    """Complete a recipe's name for the shell."""
    return [name for name in context.recipe_folders().files() if name.startswith(incomplete)]


def plan_named(name: str) -> Plan:
    """Return the plan of the recipe called `name`; nothing is touched."""
    return plan_for(context.recipe_folders().load(name))


def plan_for(recipe: Recipe) -> Plan:
    """Return the plan of a recipe, with the host's secrets and package mirror."""
    from imgpipe.planning import Given, make_plan

    vault = context.vault()
    recipe = vault.with_default(recipe)
    given = Given(
        accounts=vault.accounts(recipe),
        own_answer_file=_own_answer_file(recipe),
        mirror=recipe.install.mirror or context.settings().mirror or _host_mirror(),
    )
    return make_plan(recipe, context.plugins(), given)


def find_medium(plan: Plan, override: str | None, notify: Listener) -> Medium:
    """Find or make the plan's medium, verify and read it."""
    from imgpipe.media.resolve import resolve

    return resolve(medium_request(plan, override), context.store(), notify)


def medium_request(plan: Plan, override: str | None) -> MediumRequest:
    """Return what is asked of the search for the plan's medium."""
    from imgpipe.media.request import MediumRequest

    plugins = context.plugins()
    family, system = plugins.system(plan.system.name)
    return MediumRequest(
        system=system,
        source=plan.medium,
        override=override,
        maker=plugins.makers.get(system.makes),
        stand_in=plugins.makers.get(family.stand_in),
        folders=tuple(Path(folder).expanduser() for folder in context.settings().media),
    )


def _own_answer_file(recipe: Recipe) -> str | None:
    if recipe.install.answer_file is None:
        return None
    path = Path(recipe.install.answer_file).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The answer file '{path}' of recipe '{recipe.name}' cannot be read: {error}.") from error


def _host_mirror() -> str:
    """Return the Debian mirror that this host itself uses; empty on hosts that use none."""
    from imgpipe.errors import HostError
    from imgpipe.host.debian_mirror import of_host

    try:
        return of_host().url
    except HostError:
        return ""
