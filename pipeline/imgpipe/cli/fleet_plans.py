"""The plan of a fleet, made from all that is known here: the host, the images, the secrets, and what machines keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgpipe.cli import context
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from imgpipe.adapters.hypervisor import Hypervisor
    from imgpipe.deploy.existing import HostFacts
    from imgpipe.deploy.fleet import Fleet
    from imgpipe.deploy.planning import DeployPlan
    from imgpipe.deploy.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A fleet, and how it is planned: with what is to be removed or made anew, for all its machines or `only` one.

    `planned` is what nobody will carry out, and remembers nothing. `settings` are what `only` is to have of its own
    from now on, as `own_settings` writes them; None leaves what it has. `disk_format` and `trusted` are about foreign
    disks. `unnamed_nics` says that nobody named what the fleet's NICs are plugged into, though it may have them.
    """

    fleet: Fleet
    prune: bool = False
    rebuild: bool = False
    planned: bool = False
    only: str = ""
    settings: str | None = None
    disk_format: Literal["qcow2", "raw"] | None = None
    trusted: tuple[Path, ...] = ()
    unnamed_nics: bool = False


def plan_of(asked: Asked, hypervisor: Hypervisor, shop: Workshop) -> tuple[DeployPlan, HostFacts]:
    """Return the plan, and what it was judged against; raises RecipeError with all that is wrong."""
    from imgpipe.cli.shop import foreign
    from imgpipe.deploy.accounts import accounts_of, plain_places
    from imgpipe.deploy.default_nics import with_default_nics
    from imgpipe.deploy.facts import gather
    from imgpipe.deploy.fleet_ids import minted_id
    from imgpipe.deploy.own_settings import with_own_settings
    from imgpipe.deploy.planning import make_deploy_plan
    from imgpipe.deploy.resolving import Choices
    from imgpipe.deploy.support import supported
    from imgpipe.deploy.templates import load_templates

    facts = _with_settings(gather(hypervisor, shop.pool), asked)
    vault = context.vault(planned=asked.planned)
    key = vault.digest_key()
    settled = with_own_settings(asked.fleet, facts.machines, key)
    fleet, families = settled.fleet, context.plugins().families
    look = partial(foreign, hypervisor, form=asked.disk_format, trusted=asked.trusted, planned=asked.planned)
    templates = load_templates(fleet, facts.machines, shop.store, look, families, is_recipe)
    fleet, nics_of = with_default_nics(fleet, context.settings().bridges, templates, unnamed=asked.unnamed_nics)
    accounts = accounts_of(fleet, vault, plain_places(fleet, templates))
    # A plan that nobody carries out must promise no addresses that the deploy would not use.
    minted = None if asked.planned else minted_id()
    choices = Choices(
        prune=asked.prune,
        rebuild=asked.rebuild,
        minted=minted,
        only=asked.only,
        settings=settled.kept,
        nics_of=nics_of,
    )
    plan = make_deploy_plan(fleet, templates, facts, accounts, choices, key)
    return supported(plan, shop.policy.features), facts


def _with_settings(facts: HostFacts, asked: Asked) -> HostFacts:
    """Return the facts as they will be once the machine has its new settings."""
    if asked.settings is None:
        return facts
    machines = tuple(
        replace(one, record=replace(one.record, settings=asked.settings))
        if one.record and one.name == asked.only
        else one
        for one in facts.machines
    )
    return replace(facts, machines=machines)


def is_recipe(name: str) -> bool:
    """Say whether a recipe can be read by this name."""
    try:
        context.recipe_folders().load(name)
    except RecipeError:
        return False
    return True
