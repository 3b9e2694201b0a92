"""QEMU, libvirt and the other packages: whether they are installed, and new enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.adapters.image_headers import is_zstd
from imgpipe.domain_features import OLDEST_LIBVIRT, OLDEST_QEMU, Version
from imgpipe.domain_spec import Accelerator
from imgpipe.domain_support import dotted
from imgpipe.host.distribution import SCRIPT, Distribution
from imgpipe.host.doctor.finding import Finding

# Guests of older ones died of random faults when they were emulated.
_GOOD_EMULATOR = (8, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFacts:
    """What is installed: versions by 'qemu' and 'libvirt', absent where not; `missing` packages with their reason.

    `zstd` says that qemu-img writes and reads qcow2 images that are compressed with it.
    """

    versions: Mapping[str, str]
    qemu_img: bool
    missing: Mapping[str, str]
    checkout: bool = False
    zstd: bool = True


def judge(facts: ProgramFacts, distribution: Distribution, used: Accelerator | None) -> Iterator[Finding]:
    """Say what is missing or too old; `used` is the accelerator that machines will run with, if it is known."""
    yield _qemu(facts, distribution, used)
    installed = facts.versions.get("libvirt", "")
    if installed and version_of(installed) < OLDEST_LIBVIRT:
        yield _too_old("libvirt version", f"libvirt {installed}", OLDEST_LIBVIRT, distribution)
    elif installed:
        yield Finding(name="libvirt version", state="ok", meaning=f"libvirt {installed} is installed.")
    else:
        yield Finding(
            name="libvirt version",
            state="fail",
            meaning="libvirt is not installed: nothing can run machines.",
            commands=distribution.install("libvirt", "virsh"),
        )
    if facts.qemu_img and not facts.zstd:
        yield Finding(
            name="compression",
            state="warn",
            meaning="QEMU has no zstd: images made here are compressed with zlib, and those of hosts that have it "
            "cannot be used here, unless they were exported with '--compression zlib'.",
        )
    yield _packages(facts, distribution)


def judge_images(images: Mapping[Path, str]) -> Iterator[Finding]:
    """Say which images, by their disks, this host's QEMU does not read because of their compression."""
    wanted = [reference for disk, reference in images.items() if is_zstd(disk)]
    if wanted and qemu_img.best_compression() == "zlib":
        names = ", ".join(f"'{name}'" for name in wanted)
        yield Finding(
            name="compression",
            state="fail",
            meaning=f"{names}: compressed with zstd, which this host's QEMU does not read. Export it with "
            "'--compression zlib' on the host that it was built on, and deploy that with '--import'.",
        )


def version_of(text: str) -> tuple[int, ...]:
    """Return (10, 0, 2) for '10.0.2'; nothing for no version."""
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _too_old(name: str, what: str, oldest: Version, distribution: Distribution) -> Finding:
    return Finding(
        name=name,
        state="fail",
        meaning=f"{what} is too old: imgpipe's machines need {dotted(oldest)} or newer.",
        commands=distribution.newer_qemu(),
    )


def _qemu(facts: ProgramFacts, distribution: Distribution, used: Accelerator | None) -> Finding:
    version = facts.versions.get("qemu", "")
    if not version or not facts.qemu_img:
        what = "QEMU" if not version else "'qemu-img'"
        return Finding(
            name="QEMU",
            state="fail",
            meaning=f"{what} is not installed: machines and their disks cannot be made.",
            commands=distribution.install("qemu", "qemu-img"),
        )
    if version_of(version) < OLDEST_QEMU:
        return _too_old("QEMU", f"QEMU {version}", OLDEST_QEMU, distribution)
    if used == "tcg" and version_of(version) < _GOOD_EMULATOR:
        return Finding(
            name="QEMU",
            state="warn",
            meaning=f"QEMU {version} is too old for a host where KVM does not work: guests that it emulates crash at "
            "random. QEMU 8 or newer does not.",
            commands=distribution.newer_qemu(),
        )
    return Finding(name="QEMU", state="ok", meaning=f"QEMU {version} is installed.")


def _packages(facts: ProgramFacts, distribution: Distribution) -> Finding:
    if distribution.family == "unknown":
        return Finding(
            name="packages",
            state="unknown",
            meaning=f"imgpipe has no list of packages for {distribution.title}.",
        )
    untried = "" if distribution.tried() else f" The list for {distribution.title} has not been tried."
    if not facts.missing:
        return Finding(name="packages", state="ok", meaning=f"All packages that imgpipe uses are installed.{untried}")
    listed = ", ".join(f"'{name}' ({reason})" for name, reason in facts.missing.items())
    command = "./imgpipe setup" if facts.checkout else f"bash {SCRIPT} --yes"
    return Finding(
        name="packages",
        state="warn",
        meaning=f"Not installed: {listed}.{untried}",
        commands=(command,),
        repairs=(("bash", str(SCRIPT), "--yes"),),
    )
