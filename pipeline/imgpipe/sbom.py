"""The bill of materials of an image: its packages as CycloneDX 1.6 JSON (https://cyclonedx.org)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from imgpipe.artifacts import Package, SealedState
from imgpipe.disclosure import printable

if TYPE_CHECKING:
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

_NAMESPACE = uuid.UUID("7a4b1f0e-5a0c-5a53-9f5e-0d6d0b8a7c11")
_EPOCH = re.compile(r"(\d+):(.+)")


def render(name: str, version: str, sha256: str, created: datetime, state: SealedState) -> str:
    """Return the SBOM of the image `name` at `version`; equal images get equal documents.

    The document's serial number follows from the image's digest, so that tools see a republished image as the same.
    """
    # Imported here, because it takes longer than the whole command line otherwise does.
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415

    image = Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=name,
        version=version,
        bom_ref="image",
        description=printable(state.product, 200) or None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, f"{name}@{version}:{sha256}"),
        metadata=BomMetaData(component=image, timestamp=created),
        components=list(_components(state)),
    )
    bom.register_dependency(image, list(bom.components))
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _components(state: SealedState) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    # A package may be installed more than once in different versions (kernels), but not twice in the same.
    for package in sorted(set(state.packages), key=lambda item: (item.name, item.version, item.arch)):
        locator = _locator(package, state)
        yield Component(
            type=ComponentType.LIBRARY,
            name=printable(package.name, 200),
            version=printable(package.version, 200),
            purl=locator,
            bom_ref=str(locator),
        )


def _locator(package: Package, state: SealedState) -> PackageURL:
    """Name a package as the purl specification says for its type; RPM's epoch is a qualifier, Debian's is not."""
    from packageurl import PackageURL  # noqa: PLC0415

    kind = {"rpm": "rpm", "deb": "deb"}.get(state.package_format, "generic")
    distro = printable(state.distro, 64).lower()
    version = printable(package.version, 200)
    qualifiers = {"arch": printable(package.arch, 32), "distro": f"{distro}-{printable(state.version, 32)}"}
    epoch = _EPOCH.fullmatch(version)
    if kind == "rpm" and epoch:
        version = epoch[2]
        qualifiers["epoch"] = epoch[1]
    known = {key: value for key, value in qualifiers.items() if value}
    return PackageURL(
        type=kind, namespace=distro or None, name=printable(package.name, 200), version=version, qualifiers=known
    )
