"""The bill of materials of an image as CycloneDX 1.6 JSON (https://cyclonedx.org): its system and its packages.

The image is what the document is about, its operating system one of its components, and the packages are the
system's. Packages are named by purl (ECMA-427); 'distro' and 'upstream' are the qualifiers by which scanners find the
advisories of a distribution, which are about what packages were built of.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from imgpipe.artifacts import Package, SealedState
from imgpipe.description import own_version
from imgpipe.disclosure import one_line, printable

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.dependency import Dependable, Dependency
    from cyclonedx.model.license import License
    from packageurl import PackageURL

_NAMESPACE = uuid.UUID("7a4b1f0e-5a0c-5a53-9f5e-0d6d0b8a7c11")
_EPOCH = re.compile(r"(\d+):(.+)")
# As CycloneDX takes them; what a guest says may be anything.
_CPE = re.compile(r"cpe:/[aho](:[A-Za-z0-9._~%-]*){1,6}")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?")
_KINDS = {"rpm": "rpm", "deb": "deb", "apk": "apk"}
# The file name of a source RPM: the last two hyphens are those before the version and the release (rpm(8)).
_SOURCE_RPM = re.compile(r"(.+)-([^-]+)-([^-]+)\.(?:no)?src\.rpm")
_TRIVY = "aquasecurity:trivy:"
_UNKNOWN = "imgpipe:packages"


def render(name: str, version: str, sha256: str, created: datetime, state: SealedState) -> str:
    """Return the SBOM of the image `name` at `version`; equal images get equal documents.

    The document's serial number follows from the image's digest, so that tools see a republished image as the same.
    Where the packages are not known, the property 'imgpipe:packages' says so.
    """
    # Imported here, because it takes longer than the whole command line otherwise does.
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle  # noqa: PLC0415
    from cyclonedx.model.tool import ToolRepository  # noqa: PLC0415
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415

    image, system, packages = _image(name, version, sha256, state), _system(state), list(_packages(state))
    maker = Component(type=ComponentType.APPLICATION, name="imgpipe", version=own_version(), bom_ref="imgpipe")
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, f"{name}@{version}:{sha256}"),
        metadata=BomMetaData(
            component=image,
            timestamp=created,
            tools=ToolRepository(components=[maker]),
            lifecycles=[PredefinedLifecycle(phase=LifecyclePhase.POST_BUILD)],
        ),
        components=[system, *packages],
    )
    bom.register_dependency = _Register(bom)  # type: ignore[method-assign]
    bom.register_dependency(image, [system])
    bom.register_dependency(system, packages)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


class _Register:
    """What a BOM registers dependencies by, its own word for it being a search of all that it has, for each package.

    Thousands of packages would take minutes; and the BOM registers every one again while it is written.
    """

    def __init__(self, bom: Bom) -> None:
        self._bom = bom
        self._known: dict[int, Dependency] = {}

    def __call__(self, target: Dependable, depends_on: Iterable[Dependable] | None = None) -> None:
        from cyclonedx.model.dependency import Dependency  # noqa: PLC0415

        below = tuple(depends_on or ())
        if (found := self._known.get(id(target.bom_ref))) is None:
            found = self._known[id(target.bom_ref)] = Dependency(target.bom_ref)
            self._bom.dependencies.add(found)
        found.dependencies.update(Dependency(one.bom_ref) for one in below)
        for one in below:
            self(one)


def _image(name: str, version: str, sha256: str, state: SealedState) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType, Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=version,
        bom_ref="image",
        description=f"A disk image (qcow2) of {_title(state)}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
        properties=[] if state.packages else [Property(name=_UNKNOWN, value="not known")],
    )


def _title(state: SealedState) -> str:
    told = state.release.title or state.product
    return printable(told, 200) or "a system that does not say what it is"


def _distro(state: SealedState) -> tuple[str, str]:
    """Return the distribution and its version: the system's own word, else what libguestfs or the plugin says."""
    own = state.release
    distro, version = (own.id, own.version) if own.id else (state.distro, state.version)
    return printable(distro, 64), printable(version, 64)


def _system(state: SealedState) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415

    distro, version = _distro(state)
    home, cpe = state.release.home, state.release.cpe
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=distro or "unknown",
        version=version or None,
        bom_ref="system",
        description=_title(state),
        cpe=cpe if _CPE.fullmatch(cpe) else None,
        external_references=[ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(home))]
        if _URL.fullmatch(home)
        else None,
    )


def _packages(state: SealedState) -> Iterator[Component]:
    from cyclonedx.model import Property  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.model.contact import OrganizationalEntity  # noqa: PLC0415

    # A package may be installed more than once in different versions (kernels), but not twice in the same.
    # What has no name that a purl can have is nothing that an advisory could be about.
    named = {package for package in state.packages if printable(package.name, 200).strip(" /")}
    packages = sorted(named, key=lambda item: (item.name, item.version, item.arch))
    for locator, package in {str(_locator(package, state)): package for package in packages}.items():
        supplier = one_line(package.supplier, 200)
        yield Component(
            type=ComponentType.LIBRARY,
            name=printable(package.name, 200),
            version=printable(package.version, 200),
            purl=_locator(package, state),
            bom_ref=locator,
            supplier=OrganizationalEntity(name=supplier) if supplier else None,
            licenses=[_licence(package.licence)] if package.licence else None,
            properties=[Property(name=f"{_TRIVY}{key}", value=value) for key, value in _source(package)],
        )


def _source(package: Package) -> Iterator[tuple[str, str]]:
    """Yield what a package was built of, as Trivy wants to be told it: 'upstream' in a purl is nothing to it."""
    source = printable(package.source, 200)
    if not source:
        return
    if of_rpm := _SOURCE_RPM.fullmatch(source):
        epoch = _EPOCH.fullmatch(package.version)
        yield from zip(("SrcName", "SrcVersion", "SrcRelease"), of_rpm.groups(), strict=True)
        yield from [("SrcEpoch", epoch[1])] if epoch else []
        return
    name, _, version = source.partition("@")
    yield from (("SrcName", name), ("SrcVersion", version or printable(package.version, 200)))


@cache
def _licence(text: str) -> License:
    """Return a licence by its SPDX expression where it is one, else by the name that the package gives it."""
    from cyclonedx.contrib.license.factories import LicenseFactory  # noqa: PLC0415

    return LicenseFactory().make_from_string(one_line(text, 500))


def _locator(package: Package, state: SealedState) -> PackageURL:
    """Name a package as the purl specification says for its type; RPM's epoch is a qualifier, Debian's is not."""
    from packageurl import PackageURL  # noqa: PLC0415

    kind = _KINDS.get(state.package_format, "generic")
    distro, release = _distro(state)
    version = printable(package.version, 200)
    qualifiers = {
        "arch": printable(package.arch, 32),
        "distro": "-".join(filter(None, (distro.lower(), release))),
        "upstream": printable(package.source, 200) if package.source != package.name else "",
    }
    epoch = _EPOCH.fullmatch(version)
    if kind == "rpm" and epoch:
        version = epoch[2]
        qualifiers["epoch"] = epoch[1]
    known = {key: value for key, value in qualifiers.items() if value}
    name = printable(package.name, 200)
    return PackageURL(type=kind, namespace=distro.lower() or None, name=name, version=version, qualifiers=known)
