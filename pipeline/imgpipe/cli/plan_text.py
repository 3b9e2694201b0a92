"""A plan in words."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.disclosure import one_line
from imgpipe.os_family import CdBoot, FurtherMedium, KernelBoot, System
from imgpipe.plan import Plan
from imgpipe.recipe import MediumSource, Nic
from imgpipe.sizes import exact_bytes
from imgpipe.urls import without_login


def describe(plan: Plan, cds: tuple[str, ...] = (), here: tuple[str, ...] = ()) -> str:
    """Return the plan as text for a person: every decision, no secret; `cds` are attached to the install machine.

    `here` is what this host's libvirt cannot do for it.
    """
    machine = plan.machine
    lines = [
        f"{plan.name}: {plan.system.title}, by {plan.answer_kind}",
        "",
        f"machine      {machine.cpus} vCPU, {exact_bytes(machine.memory)} memory, {exact_bytes(machine.disk)} disk, "
        f"q35, {machine.firmware.upper()}",
        f"disk cache   {plan.cache} in every machine made from the image; {plan.install_cache} during the install",
        f"layout       {'; '.join(plan.unattended.disk_layout) or 'as the answer file says'}",
        *(f"network      {_nic(nic)}" for nic in plan.nics),
        f"             during the install: {plan.install_network}",
        *_media(plan),
        *(f"{'' if number else 'attached':<12} {line}" for number, line in enumerate(cds)),
        *_boot(plan),
        *_answers(plan),
        *_proof(plan),
        *_sealing(plan),
        *_remarks(plan),
        f"tested       {plan.system.tested}",
        *(f"note         {note}" for note in plan.notes),
        *(f"this host    {one_line(words)}" for words in here),
    ]
    return "\n".join(lines)


def _nic(nic: Nic) -> str:
    who = " ".join(str(part) for part in (nic.name, nic.mac) if part)
    if nic.address is None:
        return f"{who}: DHCP"
    extra = "".join([f", gateway {nic.gateway}" if nic.gateway else "", *(f", DNS {server}" for server in nic.dns)])
    return f"{who}: {nic.address}{extra}"


def _media(plan: Plan) -> Iterator[str]:
    """Yield the CDs in the order in which they are attached; the seed ISO comes after them."""
    yield f"medium       {_medium(plan.system, plan.medium)}"
    sources = dict(plan.media)
    for other in plan.system.further:
        yield f"{other.name:<12} {_medium(other, sources.get(other.name, MediumSource()))}"


def _medium(wanted: System | FurtherMedium, given: MediumSource) -> str:
    source = given.file or given.url
    if source:
        return without_login(source)
    made = f"; else made from packages ('{wanted.makes}')" if wanted.makes else ""
    return f"{', '.join(wanted.media) or 'no file looked for'} in the media folders{made}"


def _remarks(plan: Plan) -> Iterator[str]:
    for number, remark in enumerate(plan.unattended.remarks):
        yield f"{'' if number else 'settings':<12} {remark}"


def _proof(plan: Plan) -> Iterator[str]:
    proof, sealing = plan.unattended.proof, plan.unattended.sealing
    if sealing is None:
        yield f"proof        '{proof.console}' on the console and {proof.file or 'no file'}"
        return
    yield f"proof        on the disk, after the power-off: {', '.join(sealing.files)}"
    yield f"             and in its registry {', '.join(value.name for value in sealing.registry)}"


def _sealing(plan: Plan) -> Iterator[str]:
    if plan.unattended.sealing:
        yield "sysprep      inside, by the installed system itself, as its last act"
    yield f"sysprep      {len(plan.operations)} operations: {', '.join(item.name for item in plan.operations)}"
    if plan.unattended.sealing and not plan.checks:
        yield "verify       the same proof once more, on the sealed disk; it is never booted before its clones are"
    else:
        yield f"verify       {len(plan.checks)} checks: {', '.join(check.name for check in plan.checks)}"


def _boot(plan: Plan) -> Iterator[str]:
    match plan.unattended.boot:
        case KernelBoot(arguments=arguments):
            yield "boot         the installer's kernel, directly"
            # The label is the medium's own, which may not be here yet.
            yield f"             {' '.join(arguments).replace('{volume_id}', 'LABEL-OF-THE-MEDIUM')}"
        case CdBoot(keys=keys):
            yield f"boot         the medium{', pressing ' + ' '.join(keys) if keys else ''}"


def _answers(plan: Plan) -> Iterator[str]:
    seed = plan.unattended.seed
    way = f"on a small ISO labelled '{seed.volume_id}'" if seed.place == "iso" else "inside the installer's initrd"
    yield f"answers      {', '.join(file.name for file in seed.files)}, {way}"
    for copy in seed.copies:
        yield f"             {copy.target} from {copy.medium or 'the medium'}: {' or '.join(copy.sources)}"
