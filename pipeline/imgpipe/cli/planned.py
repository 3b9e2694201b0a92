"""From a recipe's name on the command line to its plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgpipe.answer_text import answer_text
from imgpipe.cli import context
from imgpipe.disclosure import one_line
from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.named_files import read_bytes

if TYPE_CHECKING:
    from imgpipe.artifacts import Medium
    from imgpipe.events import Listener
    from imgpipe.media.request import MediaRequest, MediumRequest
    from imgpipe.os_family import FurtherMedium, System
    from imgpipe.plan import Plan
    from imgpipe.recipe import MediumSource, Recipe


def plan_named(name: str, *, planned: bool = True) -> Plan:
    """Return the plan of the recipe called `name`; nothing is touched, unless it is more than `planned`."""
    return plan_for(context.recipe_folders().load(name), planned=planned)


def plan_for(recipe: Recipe, *, planned: bool = True) -> Plan:
    """Return the plan of a recipe, with the host's secrets and package mirror."""
    from imgpipe.planning import Given, make_plan

    family, _ = context.plugins().system(recipe.os)
    vault = context.vault(planned=planned)
    recipe = vault.with_default(recipe)
    given = Given(
        accounts=vault.accounts(recipe, clear=family.clear_passwords),
        own_answer_file=_own_answer_file(recipe),
        mirror=recipe.install.mirror or context.settings().mirror or _host_mirror(),
        product_key=vault.product_key(recipe),
    )
    return make_plan(recipe, context.plugins(), given)


def find_medium(plan: Plan, overrides: Sequence[str], notify: Listener) -> Medium:
    """Find or make the plan's media, verify, read and inspect them."""
    from imgpipe.media.several import resolve_all

    return resolve_all(media_request(plan, overrides), context.store(), notify)


def media_request(plan: Plan, overrides: Sequence[str]) -> MediaRequest:
    """Return what the search for the plan's media is asked; `overrides` are the words of --media."""
    from imgpipe.media.request import MediaRequest, MediumRequest, named_overrides
    from imgpipe.recipe import MediumSource

    plugins = context.plugins()
    family, system = plugins.system(plan.system.name)
    folders = tuple(in_home(folder) for folder in context.settings().media)
    said, sources, inspect = named_overrides(overrides, system), dict(plan.media), family.inspect

    def request(wanted: System | FurtherMedium, source: MediumSource, name: str, stand_in: str) -> MediumRequest:
        return MediumRequest(
            system=wanted,
            source=source,
            override=said.get(name),
            maker=plugins.makers.get(wanted.makes),
            stand_in=plugins.makers.get(stand_in),
            folders=folders,
        )

    return MediaRequest(
        own=request(system, plan.medium, "", family.stand_in),
        further=tuple(
            request(other, sources.get(other.name, MediumSource()), other.name, other.stand_in)
            for other in system.further
        ),
        inspect=(lambda content: inspect(system, plan.unattended, content)) if inspect else None,
    )


def attached_cds(plan: Plan) -> tuple[str, ...]:
    """Return the install machine's CDs in their order, each with the file that a build would take now."""
    asked = media_request(plan, ())
    lines = [f"the medium: {_where(asked.own)}"]
    lines += [f"{request.system.name}: {_where(request)}" for request in asked.further]
    if plan.unattended.seed.place == "iso":
        lines.append(f"the seed ISO, '{plan.unattended.seed.volume_id}'")
    return tuple(f"sd{letter}  {one_line(line)}" for letter, line in zip("abcdef", lines, strict=False))


def _where(request: MediumRequest) -> str:
    from imgpipe.media.find import find_medium as look
    from imgpipe.urls import without_login

    try:
        found = look(request, context.store())
    except RecipeError as error:
        return f"missing ({str(error).rstrip('.')})"
    if found is None:
        return f"made when it is needed ('{request.maker.name}')" if request.maker else "missing"
    return str(found.path) if found.path else f"downloaded when it is needed ({without_login(found.url)})"


def _own_answer_file(recipe: Recipe) -> str | None:
    if recipe.install.answer_file is None:
        return None
    path = in_home(recipe.install.answer_file)
    try:
        text = answer_text(read_bytes(path))
    except OSError as error:
        reason = error.strerror
    else:
        if isinstance(text, str):
            return text
        reason = f"line {text.line}: {text.text.rstrip('.')}"
    raise RecipeError(f"The answer file '{path}' of recipe '{recipe.name}' cannot be read: {reason}.")


def _host_mirror() -> str:
    """Return the Debian mirror that this host itself uses; empty on hosts that use none."""
    from imgpipe.errors import HostError
    from imgpipe.host.debian_mirror import of_host

    try:
        return of_host().url
    except HostError:
        return ""
