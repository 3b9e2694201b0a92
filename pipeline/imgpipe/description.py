"""The words about an image: its manifest and its report, put together from what the stages know.

What a guest said goes in only printable and bounded, and no text here carries a password hash.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata

from imgpipe.artifacts import VerifiedDisk
from imgpipe.disclosure import printable, without_secrets
from imgpipe.manifest import (
    CheckPart,
    HostPart,
    ImagePart,
    Keys,
    Manifest,
    MediumPart,
    SealedPart,
    SystemPart,
)
from imgpipe.plan import Plan, show
from imgpipe.provenance import InstallRecord, MediumRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing itself adds: the image it wrote, the sha256 of the files beside it, and its own times."""

    version: str
    created: datetime
    image: ImagePart
    files: Mapping[str, str]
    tools: Mapping[str, str]
    seconds: float


def describe(plan: Plan, disk: VerifiedDisk, record: InstallRecord, published: Published) -> Manifest:
    """Return the manifest of a published image."""
    sealed = disk.sealed
    return Manifest(
        name=plan.name,
        version=published.version,
        created=published.created,
        system=_system(plan, disk),
        medium=_medium(record.medium) if record.medium else None,
        further_media={medium.name: _medium(medium) for medium in record.medium.further} if record.medium else {},
        answer_files=dict(record.answer_files),
        image=published.image,
        files=dict(published.files),
        sealed=_sealed(disk),
        verified=tuple(CheckPart(name=result.name, passed=result.passed) for result in disk.results),
        facts=_facts(disk),
        keys=Keys(
            install=plan.install_key(record.medium.digest) if record.medium else "",
            seal=sealed.key,
            publish=plan.publish_key(sealed.key),
        ),
        host=_host(record.accelerator),
        tools={**record.tools, **published.tools, "imgpipe": own_version(), "python": platform.python_version()},
        seconds=_seconds(disk, record, published),
        plan=show(plan),
    )


def report(disk: VerifiedDisk) -> str:
    """Return as JSON what verifying showed, with the whole output of each check."""
    checks = [
        {"name": result.name, "passed": result.passed, "output": printable(result.output, 65536)}
        for result in disk.results
    ]
    asserted = [printable(sentence) for sentence in disk.sealed.state.asserted]
    told = {"checks": checks, "facts": _facts(disk), "asserted": asserted}
    return without_secrets(json.dumps(told, indent=2)) + "\n"


def own_version() -> str:
    """Return imgpipe's version; a checkout that was never installed has none."""
    try:
        return metadata.version("imgpipe")
    except metadata.PackageNotFoundError:
        return "not installed"


def _system(plan: Plan, disk: VerifiedDisk) -> SystemPart:
    state = disk.sealed.state
    return SystemPart(
        name=plan.system.name,
        title=plan.system.title,
        family=plan.family,
        product=printable(state.product, 200),
        distro=printable(state.distro, 64),
        version=printable(state.version, 64),
    )


def _medium(medium: MediumRecord) -> MediumPart:
    return MediumPart(
        title=printable(medium.title, 200),
        sha256=medium.sha256,
        volume_id=printable(medium.volume_id, 64),
        file=medium.file,
        stand_in=medium.stand_in,
    )


def _sealed(disk: VerifiedDisk) -> SealedPart:
    state = disk.sealed.state
    return SealedPart(
        package_format=printable(state.package_format, 32),
        packages=len(state.packages),
        operations=state.operations,
        asserted=tuple(printable(sentence, 500) for sentence in state.asserted),
        generalized={printable(name, 100): printable(value, 500) for name, value in state.generalized},
    )


def _facts(disk: VerifiedDisk) -> dict[str, str]:
    return {printable(key, 100): printable(value, 1000) for key, value in disk.facts}


def _seconds(disk: VerifiedDisk, record: InstallRecord, published: Published) -> dict[str, float]:
    install = {} if record.seconds is None else {"install": record.seconds}
    seconds = {**install, "sysprep": disk.sealed.seconds, "verify": disk.seconds, "publish": published.seconds}
    return {stage: round(value, 1) for stage, value in seconds.items()}


def _host(accelerator: str) -> HostPart:
    system = os.uname()
    try:
        title = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        title = ""
    return HostPart(
        name=system.nodename,
        os=title,
        arch=system.machine,
        kernel=system.release,
        accelerator=accelerator,
    )
