"""From a recipe to a plan: every decision is made here, and nothing is touched.

What comes from outside (secrets, the operator's own answer file, the host's package mirror) is resolved before
and handed in, so that the same input gives the same plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from imgpipe.errors import RecipeError
from imgpipe.logins import Login, listed, of_recipe
from imgpipe.model_faults import faults
from imgpipe.offline_edits import Operation
from imgpipe.operations.secrets import SSH_KEYS
from imgpipe.os_family import Account, CacheMode, Check, Order, OsFamily, System, Unattended
from imgpipe.plan import Plan
from imgpipe.plugins import Plugins
from imgpipe.recipe import Recipe, Table
from imgpipe.sizes import WRITTEN, exact_bytes

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a plan needs from outside the recipe."""

    accounts: Mapping[str, Account]
    own_answer_file: str | None = None
    mirror: str = ""
    product_key: str = field(default="", repr=False)


def make_plan(recipe: Recipe, plugins: Plugins, given: Given) -> Plan:
    """Decide everything about the build of `recipe`; raises RecipeError with all faults at once."""
    family, system = plugins.system(recipe.os)
    wrong = [*_too_small(recipe, system), *_unsuited(recipe, system)]
    options, option_faults = _options(family, recipe)
    wrong += option_faults
    known = {operation.name for operation in plugins.operations(recipe)}
    if options is None:
        raise _invalid(recipe, [*wrong, *_unknown_operations(recipe, known)])
    order = Order(
        recipe=recipe,
        system=system,
        options=options,
        accounts=given.accounts,
        own_answer_file=given.own_answer_file,
        mirror=given.mirror,
        product_key=given.product_key,
    )
    unattended = _rendered(order, family, plugins, wrong)
    known |= {operation.name for operation in unattended.operations}
    wrong += _cache_faults(recipe, unattended.hardware.cache)
    wrong += _unknown_operations(recipe, known)
    wrong += _lint(family, system, recipe, unattended)
    if wrong:
        raise _invalid(recipe, wrong)
    return _decide(order, family, unattended, plugins)


def _rendered(order: Order, family: OsFamily, plugins: Plugins, wrong: list[str]) -> Unattended:
    """Return how the recipe is installed; what a family finds wrong with it hides nothing that is known already."""
    try:
        return plugins.render(family, order)
    except RecipeError as error:
        if not wrong:
            raise
        raise _invalid(order.recipe, [*wrong, *(error.details or [str(error)])], error.hint) from None


def _decide(order: Order, family: OsFamily, unattended: Unattended, plugins: Plugins) -> Plan:
    recipe = order.recipe
    policy: CacheMode = recipe.machine.cache or unattended.hardware.cache
    network = recipe.install.network
    if network == "auto":
        network = "user" if unattended.needs_network else "isolated"
    operations = _operations(recipe, _for_linux(plugins.operations(recipe), unattended), unattended.operations)
    logins = _logins(order, unattended, operations)
    return Plan(
        name=recipe.name,
        system=order.system,
        family=family.name,
        answer_kind=family.answer_kind,
        machine=recipe.machine,
        medium=recipe.medium,
        media=tuple(sorted(recipe.media.items())),
        nics=recipe.nics,
        install_network=network,
        cache=policy,
        install_cache="unsafe" if recipe.install.cache == "unsafe" else policy,
        unattended=unattended,
        operations=operations,
        checks=_checks(_for_linux(plugins.checks(recipe), unattended), unattended.checks),
        logins=logins,
        notes=_notes(recipe, unattended, policy, logins),
    )


def _for_linux(common: tuple[T, ...], unattended: Unattended) -> tuple[T, ...]:
    """Return the operations or checks of the core and of sites, which are for Linux; none for what seals itself."""
    return () if unattended.sealing else common


def _operations(recipe: Recipe, common: tuple[Operation, ...], special: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return what will run, in order: one of a name replaces an earlier one in its place."""
    by_name = {operation.name: operation for operation in (*common, *special)}
    enabled = set(recipe.sysprep.enable)
    disabled = set(recipe.sysprep.disable)
    return tuple(
        operation
        for operation in by_name.values()
        if operation.name not in disabled and (operation.default or operation.name in enabled)
    )


def _checks(common: tuple[Check, ...], special: tuple[Check, ...]) -> tuple[Check, ...]:
    return tuple({check.name: check for check in (*common, *special)}.values())


def _options(family: OsFamily, recipe: Recipe) -> tuple[Table | None, list[str]]:
    try:
        options = family.options.model_validate(recipe.options, context=WRITTEN)
    except ValidationError as error:
        return None, [f"options.{fault}" for fault in faults(error, family.options)]
    assert isinstance(options, Table)  # noqa: S101 (the type of OsFamily.options)
    return options, []


def _unsuited(recipe: Recipe, system: System) -> list[str]:
    """Return what the recipe asks for and the system has not: a firmware, or further media of another name."""
    wrong = []
    if recipe.machine.firmware not in system.firmware:
        wrong.append(f"machine.firmware: {system.title} is installed on '{system.firmware[0]}' alone")
    known = [medium.name for medium in system.further]
    there = f"has {', '.join(known)}" if known else "needs no further medium"
    return wrong + [f"media.{name}: {system.title} {there}" for name in recipe.media if name not in known]


def _too_small(recipe: Recipe, system: System) -> list[str]:
    if recipe.machine.memory >= system.memory:
        return []
    return [
        f"machine.memory: {exact_bytes(recipe.machine.memory)} is too little; the installer of {system.title} "
        f"needs {exact_bytes(system.memory)}"
    ]


def _cache_faults(recipe: Recipe, policy: CacheMode) -> list[str]:
    cache, reason = recipe.machine.cache, recipe.machine.cache_reason
    if cache in (None, policy, "writeback") or reason:
        return []
    return [f"machine.cache: '{cache}' departs from the policy, '{policy}'; say why in machine.cache_reason"]


def _unknown_operations(recipe: Recipe, known: set[str]) -> list[str]:
    return [
        f"sysprep.{key}: there is no operation '{name}' ('imgpipe sysprep --list' shows all)"
        for key in ("enable", "disable")
        for name in getattr(recipe.sysprep, key)
        if name not in known
    ]


def _lint(family: OsFamily, system: System, recipe: Recipe, unattended: Unattended) -> list[str]:
    """Check the main answer file as `imgpipe lint` would; only errors stop a build."""
    main = unattended.seed.files[0]
    found = family.lint(main.text, system, recipe.machine.firmware)
    return [f"{main.name}:{fault.line}: {fault.text}" for fault in found if fault.severity == "error"]


def _logins(order: Order, unattended: Unattended, operations: tuple[Operation, ...]) -> tuple[Login, ...] | None:
    """Return who can log in to the image; an answer file of the operator's own is not read for that."""
    if order.own_answer_file is not None:
        return None
    keeps_keys = all(operation.name != SSH_KEYS for operation in operations)
    windows = unattended.personalise.is_windows
    return of_recipe(order.recipe, order.accounts, keeps_keys=keeps_keys, windows=windows)


def _who(logins: tuple[Login, ...] | None) -> str:
    if logins is None:
        return "Who can log in to this image is up to your own answer file."
    if not logins:
        return (
            "Nobody can log in to this image before it is deployed: set IMGPIPE_ROOT_PASSWORD, guest.root or "
            "guest.users where that is not meant."
        )
    return f"Log in to this image: {listed(logins)}."


def _notes(
    recipe: Recipe, unattended: Unattended, policy: CacheMode, logins: tuple[Login, ...] | None
) -> tuple[str, ...]:
    """Return who can log in, and the decisions that would surprise someone who did not read the recipe closely."""
    notes = [_who(logins)]
    if policy != unattended.hardware.cache:
        reason = recipe.machine.cache_reason or "the recipe asks for it"
        notes.append(f"Cache mode '{policy}' instead of '{unattended.hardware.cache}': {reason}.")
    return tuple(notes)


def _invalid(recipe: Recipe, wrong: list[str], hint: str = "") -> RecipeError:
    return RecipeError(f"Recipe '{recipe.name}' is not valid.", hint=hint, details=wrong)
