"""Identities for disks of systems that imgpipe did not build: written offline, many in one appliance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from imgpipe.adapters.batch_guest import inject
from imgpipe.deploy.foreign import clone_claims, clone_steps
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import GuestError
from imgpipe.offline_edits import Step
from imgpipe.os_family import OsFamily

Disks = Sequence[tuple[WantedMachine, Path]]


def injection(
    accelerator: Callable[[], Accelerator], log: Path, families: Sequence[OsFamily]
) -> Callable[[Disks], None]:
    """Return what makes the disks of machines their own before they start; it asks for the accelerator when called.

    A family that answers with files of its own has those written; any other Linux gets the unit that applies what
    the machine's definition carries. Raises GuestError that names every machine whose disk could not be edited.
    """
    own = {system.name: family.personalise_files for family in families for system in family.systems}

    def inject_all(disks: Disks) -> None:
        linux = [(path, _linux_steps(machine)) for machine, path in disks if not own.get(machine.template.system)]
        others: list[tuple[Path, tuple[Step, ...]]] = []
        for machine, path in disks:
            if answer := own.get(machine.template.system):
                others.append((path, answer(machine.identity)))
        log.parent.mkdir(parents=True, exist_ok=True)
        refused = [*inject(linux, accelerator(), log, claims=clone_claims()), *inject(others, accelerator(), log)]
        names = {path: machine.name for machine, path in disks}
        if refused:
            raise GuestError(
                f"{len(refused)} of {len(disks)} disks could not be given an identity.",
                hint=f"What libguestfs said is in '{log}'.",
                details=[f"{names[one.path]}: {line}" for one in refused for line in (one.reason, *one.details[:5])],
            )

    return inject_all


def _linux_steps(machine: WantedMachine) -> tuple[Step, ...]:
    return clone_steps(machine.identity.hostname)
