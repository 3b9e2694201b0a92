"""Disks of systems that sealed themselves: the proof is read from them, and where it is missing, the logs say why.

Three stages ask: the install, whose power-off means nothing by itself; sysprep, which then removes what the system
could not remove of itself; and verify, which looks at what will be published.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imgpipe.adapters.volume import VolumeGuest, open_volume_disk
from imgpipe.artifacts import SealedState
from imgpipe.disclosure import one_line
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import GuestError, ImgpipeError
from imgpipe.events import Listener, Note, Progress
from imgpipe.offline_edits import Absent
from imgpipe.plan import Plan
from imgpipe.sealed_secrets import passwords
from imgpipe.self_sealing import Explanation, Judgement, SelfSealing

_LINES_SHOWN = 40
_LONGEST_LINE = 400
_HIDDEN = "(secret)"


def judged(plan: Plan, sealing: SelfSealing, disk: Path, accelerator: Accelerator, log: Path) -> Judgement:
    """Return what an untouched disk proves; raises GuestError with the reason and the logs' lines where it does not."""
    with open_volume_disk(disk, accelerator=accelerator, read_only=True, log=log) as guest:
        return _judge(plan, sealing, guest)


def why(plan: Plan, sealing: SelfSealing, disk: Path, accelerator: Accelerator, log: Path) -> Explanation:
    """Return what the logs on a disk tell of a failure that was seen elsewhere; nothing where they cannot be read."""
    try:
        with open_volume_disk(disk, accelerator=accelerator, read_only=True, log=log) as guest:
            return _explained(plan, sealing, guest)
    except ImgpipeError as error:
        return Explanation(lines=(f"The disk's logs could not be read: {error}",))


def edit(plan: Plan, sealing: SelfSealing, guest: VolumeGuest, notify: Listener) -> SealedState:
    """Judge the disk, apply the plan's operations, and judge it again; raises GuestError with all that is wrong."""
    notify(Progress(stage="sysprep", phase="Reading the system's own proof", percent=50))
    _judge(plan, sealing, guest)
    notify(Progress(stage="sysprep", phase=f"Running {len(plan.operations)} operations", percent=60))
    guest.mount_writable()
    guest.apply(step for operation in plan.operations for step in operation.steps)
    notify(Progress(stage="sysprep", phase="Freeing unused blocks", percent=80))
    for where in guest.trim():
        notify(Note(text=f"The unused blocks of the file system at '{where}' cannot be freed."))
    notify(Progress(stage="sysprep", phase="Checking that nothing is left", percent=90))
    left = tuple(_left(plan, sealing, guest))
    if left:
        raise GuestError(
            f"The disk of '{plan.name}' is not sealed: {len(left)} claims do not hold.",
            hint="Add an operation that removes what is named here, or disable the one that claims it.",
            details=left,
        )
    found = _judge(plan, sealing, guest)
    return SealedState(
        product=found.product,
        distro=plan.family,
        version=found.version,
        package_format="",
        operations=tuple(operation.name for operation in plan.operations),
        asserted=(*found.asserted, *_kept(plan)),
        generalized=found.state,
    )


def _judge(plan: Plan, sealing: SelfSealing, guest: VolumeGuest) -> Judgement:
    try:
        unclean = guest.mount(sealing.volume)
    except GuestError as error:
        told = _explained(plan, sealing, guest)
        raise _not_sealed(plan, told, (str(error), *error.details)) from error
    judgement = sealing.judge(guest.facts(sealing.files, sealing.registry, unclean))
    if judgement.faults:
        raise _not_sealed(plan, _explained(plan, sealing, guest), judgement.faults)
    return judgement


def _not_sealed(plan: Plan, told: Explanation, faults: tuple[str, ...]) -> GuestError:
    shown = [one_line(fault) for fault in faults]
    reason = told.reason or f"'{plan.name}' switched itself off, but is not sealed: {shown[0]}"
    return GuestError(
        reason,
        hint="Mend what the lines below name, and build again; the screenshot and the console are in the work folder.",
        details=[*(f"found: {fault}" for fault in shown), *told.lines],
    )


def _explained(plan: Plan, sealing: SelfSealing, guest: VolumeGuest) -> Explanation:
    """Let the plugin read the logs; its answer is bounded again, and freed of the passwords that we know."""
    told = sealing.explain(guest.logs(sealing.volume, sealing.logs, sealing.dumps))
    secrets = passwords(plan)
    lines = tuple(_harmless(line, secrets, _LONGEST_LINE) for line in told.lines[:_LINES_SHOWN])
    return Explanation(reason=_harmless(told.reason, secrets, _LONGEST_LINE), lines=lines)


def _harmless(text: str, secrets: tuple[str, ...], limit: int) -> str:
    # Before it is cut: half of a password would not be found any more.
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    return one_line(text, limit)


def _left(plan: Plan, sealing: SelfSealing, guest: VolumeGuest) -> Iterator[str]:
    for operation in plan.operations:
        for claim in operation.sealed:
            if isinstance(claim, Absent):
                yield from (f"{operation.name}: '{path}' is still there" for path in guest.remains(claim))
            elif guest.size(claim.path) != 0:
                yield f"{operation.name}: '{claim.path}' is not an empty file"
    if secrets := passwords(plan):
        leaks = guest.search(sealing.secret_places, secrets)
        yield from (f"'{path}' holds a password of the answer file" for path in leaks)


def _kept(plan: Plan) -> Iterator[str]:
    for operation in plan.operations:
        for claim in operation.sealed:
            yield f"{operation.name}: {claim.sentence}"
    if passwords(plan):
        yield "No password of the answer files is where they leave copies."
