"""What one machine was given by `imgpipe machines set`: kept in its metadata, so that every later deploy keeps it.

What the fleet's file says of the machine itself, in `[machines.NAME]`, wins over it, key by key; it wins over what the
machine's group and the defaults say. Whoever may change a machine in libvirt can write into its metadata: so nothing
there names a file or variable of this host, unless a seal shows that this data root wrote it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Annotated, Any

from pydantic import Field, ValidationError

from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.fleet import Fleet, FleetRoot, GroupNic, Shape, filled
from imgpipe.errors import RecipeError
from imgpipe.recipe import SecretSource, SshKey, Table
from imgpipe.sizes import Bytes
from imgpipe.source_nics import MOST_NICS


class OwnSettings(Table):
    """What a machine has instead of what its fleet says; absent is what the fleet says. Sizes in bytes.

    `keys` and `password` are root's.
    """

    cpus: Annotated[int, Field(ge=1, le=512)] | None = None
    memory: Bytes | None = None
    disk: Bytes | None = None
    nics: Annotated[tuple[GroupNic, ...], Field(max_length=MOST_NICS)] | None = None
    keys: tuple[SshKey, ...] | None = None
    password: SecretSource | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """Return what it says, by its keys."""
        return tuple(key for key in type(self).model_fields if getattr(self, key) is not None)

    @property
    def shape(self) -> Shape:
        """Return it as what stands in a fleet's file."""
        values: dict[str, Any] = {key: getattr(self, key) for key in self.said}
        root = {key: values.pop(key) for key in ("keys", "password") if key in values}
        return Shape.model_validate(values | ({"root": FleetRoot.model_validate(root)} if root else {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A fleet with what its machines have of their own, and by machine what is kept of that, as the record has it."""

    fleet: Fleet
    kept: Mapping[str, str] = field(default_factory=dict)


def written(settings: OwnSettings, uuid: str, key: bytes) -> str:
    """Return settings as a machine's record has them, of one line; empty for none. `key` is the data root's."""
    if not settings.said:
        return ""
    told = settings.model_dump(mode="json", exclude_unset=True, include=set(settings.said))
    if settings.password is not None:
        told["seal"] = _seal(settings.password, uuid, key)
    return json.dumps(told, sort_keys=True)


def parsed(text: str, uuid: str, key: bytes) -> OwnSettings:
    """Return the settings of a machine's record; raises RecipeError for what imgpipe did not write there."""
    try:
        told = json.loads(text or "{}")
        seal = told.pop("seal", "")
        settings = OwnSettings.model_validate(told)
        settings.shape  # noqa: B018 (for its faults)
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise RecipeError("what 'machines set' keeps in its metadata cannot be read") from None
    if settings.password is not None and not _is_sealed(seal, _seal(settings.password, uuid, key)):
        raise RecipeError("its metadata names a password's file or variable, which was not written from this data root")
    return settings


def with_own_settings(fleet: Fleet, machines: Iterable[ExistingMachine], key: bytes) -> Settled:
    """Return the fleet as its machines' own settings make it; raises RecipeError that lists what cannot be read."""
    own, kept, wrong = dict(fleet.machines), {}, []
    named = {name for group, shape in fleet.groups.items() for name in shape.machines(group)}
    for machine in machines:
        record = machine.record
        if record is None or record.fleet != fleet.name or not record.settings or machine.name not in named:
            continue
        try:
            settings = parsed(record.settings, machine.uuid, key)
        except RecipeError as error:
            wrong.append(f"{machine.name}: {error}; 'imgpipe machines set {quote(machine.name)} --reset' drops it")
            continue
        said = set(said_by(fleet.machines.get(machine.name)))
        left = OwnSettings.model_validate({name: getattr(settings, name) for name in settings.said if name not in said})
        kept[machine.name] = written(left, machine.uuid, key)
        own[machine.name] = _over(fleet.machines.get(machine.name), left.shape)
    if wrong:
        raise RecipeError(f"Not all is known of what machines of '{fleet.name}' have of their own.", details=wrong)
    return Settled(fleet=fleet.model_copy(update={"machines": own}), kept=kept)


def said_in(text: str) -> tuple[str, ...]:
    """Return what the settings of a record say, by their keys; nothing where they cannot be read."""
    try:
        return OwnSettings.model_validate({key: value for key, value in json.loads(text).items() if key != "seal"}).said
    except (ValidationError, ValueError, AttributeError, TypeError, RecursionError):
        return ()


def said_by(shape: Shape | None) -> Iterator[str]:
    """Yield what a fleet's file says of a machine, by the keys of settings."""
    if shape is None:
        return
    yield from shape.model_fields_set & {"cpus", "memory", "disk", "nics"}
    yield from shape.root.model_fields_set & {"keys", "password"} if "root" in shape.model_fields_set else ()


def _over(shape: Shape | None, under: Shape) -> Shape:
    if shape is None:
        return under
    root = filled(shape.root, under.root)
    both = filled(shape, under)
    return both.model_copy(update={"root": root}) if "root" in both.model_fields_set else both


def _is_sealed(seal: object, right: str) -> bool:
    # compare_digest takes bytes of any kind, but of texts only those in ASCII.
    return hmac.compare_digest(str(seal).encode(errors="replace"), right.encode())


def _seal(source: SecretSource, uuid: str, key: bytes) -> str:
    told = json.dumps([uuid, source.file, source.env])
    return hmac.new(key, f"own settings {told}".encode(), "sha256").hexdigest()[:32]
