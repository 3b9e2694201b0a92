"""The plan: every decision of a build, as data, before anything is touched.

`make_plan` is pure: the same recipe, secrets and plugins give the same plan. Stages act on the plan and never see
the recipe. `install_key` and its kin name work by what went into it, so that a change redoes only what it touches.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal

from imgpipe.disclosure import without_secrets
from imgpipe.logins import Login
from imgpipe.offline_edits import Operation
from imgpipe.os_family import AnswerFile, AnswerKind, CacheMode, Check, System, Unattended
from imgpipe.recipe import Machine, MediumSource, Nic
from imgpipe.source_nics import SourceNic

# Raised when a stage does the same plan in another way, so that results of the old way are not taken for the new.
INSTALL_FORMAT = 1
SEAL_FORMAT = 1
PUBLISH_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done for one image.

    `cache` is the mode that every machine made from the image gets; `install_cache` that of the install machine's
    disk alone. `operations` and `checks` are complete and in order. `media` says where further media come from.
    `logins` are the accounts that let somebody in, None where that is up to an answer file or a disk of others.
    `source_nics` are those of the machine that an image is imported from.
    """

    name: str
    system: System
    family: str
    answer_kind: AnswerKind
    machine: Machine
    medium: MediumSource
    media: tuple[tuple[str, MediumSource], ...] = ()
    nics: tuple[Nic, ...]
    install_network: Literal["isolated", "user"]
    cache: CacheMode
    install_cache: CacheMode
    unattended: Unattended
    operations: tuple[Operation, ...]
    checks: tuple[Check, ...]
    logins: tuple[Login, ...] | None = None
    notes: tuple[str, ...] = ()
    source_nics: tuple[SourceNic, ...] = ()

    def install_key(self, media_digest: str) -> str:
        """Name the install this plan needs; plans that differ only in what comes later share it."""
        shape = dataclasses.replace(self.unattended, operations=(), checks=(), disk_layout=(), remarks=(), sealing=None)
        machine = self.machine.model_dump(exclude={"cache", "cache_reason"})
        parts = (
            INSTALL_FORMAT,
            media_digest,
            machine,
            shape,
            len(self.nics),
            self.install_network,
            self.install_cache,
        )
        return _digest(parts)

    def seal_key(self, install_key: str) -> str:
        """Name the sealed disk: the install, every operation on it, and how one that sealed itself is judged."""
        return _digest((SEAL_FORMAT, install_key, self.operations, self.unattended.sealing))

    def publish_key(self, seal_key: str) -> str:
        """Name the published image: the sealed disk, the checks it passed and the machine it is for."""
        more = (self.source_nics,) if self.source_nics else ()
        return _digest((PUBLISH_FORMAT, seal_key, self.name, self.checks, self.cache, *more))


def show(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values, without the text of secret answer files and the user part of URLs."""
    files = tuple(
        dataclasses.replace(file, text="(secret)") if file.secret else file for file in plan.unattended.seed.files
    )
    seed = dataclasses.replace(plan.unattended.seed, files=files)
    shown = dataclasses.replace(plan, unattended=dataclasses.replace(plan.unattended, seed=seed))
    plain: dict[str, Any] = json.loads(without_secrets(json.dumps(shown, default=_plain)))
    # Of an import alone.
    if not plan.source_nics:
        del plain["source_nics"]
    return plain


def secret_texts(plan: Plan) -> tuple[AnswerFile, ...]:
    """Return the answer files whose text must not be shown or logged."""
    return tuple(file for file in plan.unattended.seed.files if file.secret)


def _digest(value: object) -> str:
    text = json.dumps(value, default=_plain, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """Return what `value` is made of, for json; a type's name is part of it, so that like-shaped steps differ."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)
