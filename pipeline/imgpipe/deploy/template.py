"""What clones are made from: a published image, as its manifest says."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from imgpipe.deploy.wanted import Template
from imgpipe.errors import HostError
from imgpipe.images.catalog import Image
from imgpipe.logins import Login
from imgpipe.model_faults import faults
from imgpipe.os_family import CacheMode, Hardware, Personalise
from imgpipe.recipe import Machine
from imgpipe.source_nics import MOST_NICS, SourceNic, known

FIRST_BOOT = "first-boot-identity"
"""The sysprep operation that puts in the unit which applies an identity at first boot."""

_HARDWARE: TypeAdapter[Hardware] = TypeAdapter(Hardware)
_PERSONALISE: TypeAdapter[Personalise] = TypeAdapter(Personalise)
_CACHE: TypeAdapter[CacheMode] = TypeAdapter(CacheMode)
_MACHINE: TypeAdapter[Machine] = TypeAdapter(Machine)

# Where libosinfo's ids (osinfo-db, data/os) differ from the short id only by what stands before the version.
_OS_IDS = {
    "almalinux": "http://almalinux.org/almalinux/",
    "centos-stream": "http://centos.org/centos-stream/",
    "debian": "http://debian.org/debian/",
    "rocky": "http://rockylinux.org/rocky/",
    "ubuntu": "http://ubuntu.com/ubuntu/",
    "win": "http://microsoft.com/win/",
}
_LOGINS: TypeAdapter[tuple[Login, ...] | None] = TypeAdapter(tuple[Login, ...] | None)
_NICS: TypeAdapter[tuple[SourceNic, ...]] = TypeAdapter(
    Annotated[tuple[Annotated[SourceNic, AfterValidator(known)], ...], Field(max_length=MOST_NICS)]
)
_SHORT_ID = re.compile(r"([a-z-]+)([0-9][0-9a-z.]*)")


def of_image(image: Image) -> Template:
    """Return the template that an image is; raises HostError where its manifest does not say what clones need."""
    plan = image.manifest.plan
    try:
        unattended = _table(plan, "unattended")
        personalise = _PERSONALISE.validate_python(_table(unattended, "personalise"))
        template = Template(
            name=image.name,
            version=image.version,
            disk=image.disk,
            sha256=image.manifest.image.sha256,
            virtual_size=image.manifest.image.virtual_size,
            system=image.manifest.system.name,
            os_id=os_id(str(_table(plan, "system").get("libosinfo", ""))),
            machine=_MACHINE.validate_python(_table(plan, "machine")),
            hardware=_HARDWARE.validate_python(_table(unattended, "hardware")),
            cache=_CACHE.validate_python(plan.get("cache")),
            personalise=personalise,
            prepared=FIRST_BOOT in image.manifest.sealed.operations
            or personalise.way in {"cloud-init", "cloudbase-init", "unattend-cd"},
            size=image.manifest.image.size,
            logins=_LOGINS.validate_python(_without_kinds(plan.get("logins"))),
            nics=_NICS.validate_python(_without_kinds(plan.get("source_nics", []))),
            proven=not _seals_itself(unattended, personalise) or bool(image.manifest.sealed.generalized),
        )
    except ValidationError as error:
        raise HostError(
            f"The manifest of '{image.reference}' does not say what its clones need.",
            hint="Build the image again.",
            details=faults(error),
        ) from None
    return template


def _seals_itself(unattended: dict[str, Any], personalise: Personalise) -> bool:
    return personalise.is_windows or bool(unattended.get("sealing"))


def os_id(short_id: str) -> str:
    """Return libosinfo's id of a system by its short id ('rocky9'); empty where it is not known."""
    found = _SHORT_ID.fullmatch(short_id)
    prefix = _OS_IDS.get(found[1]) if found else None
    return f"{prefix}{found[2]}" if found and prefix else ""


def _table(values: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a part of a plan as it was shown; 'kind' names its type there."""
    part = values.get(key)
    return {name: value for name, value in part.items() if name != "kind"} if isinstance(part, dict) else {}


def _without_kinds(values: object) -> object:
    """Return a list of a plan's records as they were, without the names of their types."""
    if not isinstance(values, list):
        return values
    return [_table({"": value}, "") for value in values]
