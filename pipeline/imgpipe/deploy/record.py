"""What is kept of a machine in its metadata."""

from __future__ import annotations

from imgpipe.deploy.applied import applied_of, written
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.logins import login_of
from imgpipe.deploy.wanted import WantedMachine
from imgpipe.identity.digest import identity_digest


def record_of(machine: WantedMachine, pool: str) -> MachineRecord:
    """Return the record of a machine whose disk is in `pool`; whether it has a seed is for its maker to add."""
    return MachineRecord(
        fleet=machine.fleet,
        group=machine.group,
        template=machine.template.reference,
        linked=machine.linked,
        identity=identity_digest(machine.identity),
        hostname=machine.identity.hostname,
        addresses=tuple(str(nic.address) for nic in machine.identity.nics if nic.address),
        pool=pool,
        disk=f"{machine.name}.qcow2",
        uuid=machine.uuid,
        fleet_id=machine.fleet_id,
        user=login_of(machine),
        settings=machine.settings,
        applied=written(applied_of(machine)),
    )
