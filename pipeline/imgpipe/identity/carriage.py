"""The way of an identity into the guest: what stands in the machine's definition, and what its seed holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from imgpipe.deploy.wanted import Identity
from imgpipe.errors import PluginError, RecipeError
from imgpipe.identity import cloud_init, cloudbase_init
from imgpipe.identity.document import Document, document, encoded, heading, nonce_line
from imgpipe.identity.first_boot import SEED_VOLUME_ID
from imgpipe.identity.oem_strings import fits, oem_strings
from imgpipe.offline_edits import Step, WriteFile
from imgpipe.os_family import Personalise
from imgpipe.sizes import MIB

SEED_FILE = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a machine is given: OEM strings for its definition, and files (name, text) for a seed ISO.

    `seed_volume_id` is empty where there is no seed. What is in `seed_files` is secret.
    """

    oem_strings: tuple[str, ...] = ()
    seed_files: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    seed_volume_id: str = ""


def carry(identity: Identity, personalise: Personalise, name: str) -> Carried:
    """Return how `identity` reaches the guest of the machine `name`.

    Raises RecipeError for an identity that is too large for a seed, and PluginError for a way that is not known.
    """
    if personalise.way == "cloud-init":
        files = cloud_init.documents(identity, name)
        _check_size(name, files)
        return Carried(seed_files=files, seed_volume_id=cloud_init.VOLUME_ID)
    if personalise.way == "cloudbase-init":
        files = cloudbase_init.documents(identity, name)
        _check_size(name, files)
        return Carried(seed_files=files, seed_volume_id=cloud_init.VOLUME_ID)
    if personalise.way == "first-boot":
        return _first_boot(document(identity, personalise.network), name)
    raise PluginError(
        f"Machine '{name}': identities cannot be carried by '{personalise.way}' yet.",
        hint="Templates of Linux systems can be deployed; others have to be set up by hand.",
    )


def carry_files(steps: Iterable[Step]) -> Carried:
    """Return files of a family's own as a CD, each at its path from the CD's root.

    Raises PluginError for an edit that writes no file: it would need the disk.
    """
    files = []
    for step in steps:
        if not isinstance(step, WriteFile):
            raise PluginError(
                f"A CD can carry files alone, and the plugin asks for '{type(step).__name__}'.",
                hint="Let it write files, or answer with the way 'unattend'.",
            )
        files.append((step.path.lstrip("/"), step.content))
    return Carried(seed_files=tuple(files), seed_volume_id=SEED_VOLUME_ID)


def _first_boot(wanted: Document, name: str) -> Carried:
    head = heading(wanted.digest)
    if not wanted.secret and fits(strings := oem_strings((head, *wanted.public))):
        return Carried(oem_strings=strings)
    begin = (head, nonce_line(wanted.nonce))
    strings, files = _with_seed(head, wanted.public, (*begin, *wanted.secret))
    if not fits(strings):
        strings, files = _with_seed(head, (), (*begin, *wanted.public, *wanted.secret))
    _check_size(name, files)
    return Carried(oem_strings=strings, seed_files=files, seed_volume_id=SEED_VOLUME_ID)


def _with_seed(
    head: str, public: tuple[str, ...], seed: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the strings and the seed that they name: by its digest, which says nothing, as the seed has a nonce."""
    text = "".join(f"{line}\n" for line in seed)
    check = hashlib.sha256(text.encode()).hexdigest()
    return oem_strings((head, f"seed {encoded(SEED_VOLUME_ID)} {check}", *public)), ((SEED_FILE, text),)


def _check_size(name: str, files: tuple[tuple[str, str], ...]) -> None:
    size = sum(len(text.encode()) for _, text in files)
    if size > MIB:
        raise RecipeError(
            f"What machine '{name}' shall be given at its first boot is larger than 1 MiB.",
            hint="Extra files are for small things; put large ones into the template, or copy them afterwards.",
        )
