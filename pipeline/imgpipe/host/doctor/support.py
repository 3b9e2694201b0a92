"""Whether libvirt and QEMU run what imgpipe describes, and what machines do without here."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.domain_features import Features
from imgpipe.domain_support import Refusal, dotted, dropped, refusals
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor.finding import Finding, State
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine

NAME = "libvirt features"
_PLAIN = (Machine(), Hardware())
_UEFI = (Machine(firmware="uefi"), Hardware())
# All that a system may want: Windows 11 does.
_DEMANDING = (Machine(firmware="uefi"), Hardware(hyperv=True, tpm=True, secure_boot=True, graphics=True))


def judge(features: Features, distribution: Distribution) -> Iterator[Finding]:
    """Say what stops every machine; else what stops only some, and what they do without."""
    if stopped := refusals(features, *_PLAIN):
        yield from (_finding(one, distribution, "fail", here=features.own_files) for one in stopped)
        return
    some = dict.fromkeys((*refusals(features, *_UEFI), *refusals(features, *_DEMANDING)))
    yield from (_finding(one, distribution, "warn", here=features.own_files) for one in some)
    newer = distribution.newer_qemu() if features.own_files else ()
    if without := tuple(dict.fromkeys((*dropped(features, *_UEFI, linked=True), *dropped(features, *_DEMANDING)))):
        yield Finding(name=NAME, state="warn", meaning=" ".join(without), commands=newer)
    else:
        words = f"libvirt {dotted(features.libvirt)} takes all that machines are given."
        yield Finding(name=NAME, state="ok", meaning=words)


def judge_needs(
    features: Features, distribution: Distribution, machine: Machine, hardware: Hardware
) -> Iterator[Finding]:
    """Say what keeps a machine from running; nothing where nothing does."""
    for refusal in refusals(features, machine, hardware):
        yield _finding(refusal, distribution, "fail", here=features.own_files)


def _finding(refusal: Refusal, distribution: Distribution, state: State, *, here: bool) -> Finding:
    """Return a refusal as a finding; what mends it is known of this host alone."""
    needed = {"UEFI": "firmware", "TPM": "tpm"}.get(refusal.about)
    commands = distribution.install(needed) if needed else distribution.newer_qemu()
    return Finding(name=refusal.about, state=state, meaning=refusal.reason, commands=commands if here else ())
