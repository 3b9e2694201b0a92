"""Which machines a command is about: by name, group or fleet; only what imgpipe made can be chosen."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.removal import not_ours
from imgpipe.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was asked for; nothing at all means every machine of imgpipe's."""

    names: tuple[str, ...] = ()
    fleet: str | None = None
    group: str | None = None

    @property
    def is_empty(self) -> bool:
        """Say whether nothing was asked for."""
        return not (self.names or self.fleet or self.group)


def chosen(machines: Iterable[ExistingMachine], choice: Choice) -> tuple[ExistingMachine, ...]:
    """Return the machines that all parts of a choice agree on.

    Raises RecipeError for a name that is no machine of imgpipe's, and where a fleet, a group or all parts together have
    none: a misspelt word must not look like success.
    """
    every = {machine.name: machine for machine in machines}
    ours = {name: machine for name, machine in every.items() if machine.record}
    for name in choice.names:
        if name not in ours:
            if name in every and every[name].stranger:
                raise not_ours(every[name])
            raise _not_ours(name, ours, is_there=name in every)
    named = frozenset(choice.names)
    found = tuple(machine for machine in ours.values() if _is_in(machine, choice, named))
    if not found and not choice.is_empty:
        raise _none_of(choice, ours.values())
    return found


def require_a_choice(choice: Choice) -> None:
    """Raise RecipeError where nothing was asked for: no command changes every machine by accident."""
    if choice.is_empty:
        raise RecipeError("No machine was named.", hint="Give names, '--fleet' or '--group'.")


def _is_in(machine: ExistingMachine, choice: Choice, named: frozenset[str]) -> bool:
    record = machine.record
    return (
        record is not None
        and (not named or machine.name in named)
        and choice.fleet in (None, record.fleet)
        and choice.group in (None, record.group)
    )


def _none_of(choice: Choice, ours: Collection[ExistingMachine]) -> RecipeError:
    """Return the error for a choice that no machine meets, with the nearest words where one is misspelt."""
    records = [machine.record for machine in ours if machine.record]
    for kind, word, known in (
        ("fleet", choice.fleet, {record.fleet for record in records}),
        ("group", choice.group, {record.group for record in records}),
    ):
        if word is not None and word not in known:
            return RecipeError(f"No machine here is of a {kind} '{word}'.", hint=_nearest(word, known))
    asked = [f"'{name}'" for name in choice.names]
    asked += [f"the fleet '{choice.fleet}'"] if choice.fleet else []
    asked += [f"the group '{choice.group}'"] if choice.group else []
    return RecipeError(f"No machine is in all of these: {', '.join(asked)}.", hint="'imgpipe machines list' shows all.")


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, n=3)
    return f"Did you mean {', '.join(near)}?" if near else "'imgpipe machines list' shows all."


def _not_ours(name: str, ours: Iterable[str], *, is_there: bool) -> RecipeError:
    if is_there:
        return RecipeError(
            f"The machine '{name}' was not made by imgpipe, which leaves it alone.", hint="virsh can work on it."
        )
    return RecipeError(f"There is no machine '{name}'.", hint=_nearest(name, ours))
