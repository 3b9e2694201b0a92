"""Machines whose QEMU, or whose record of it, libvirt lost while its daemon was dead; none of them runs a guest."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

import private_libvirt
from imgpipe.adapters.hypervisor import connect
from imgpipe.domain_spec import DomainDisk, DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.errors import HostError
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
NAME = "imgpipe-install-lost"


def machine(disk: Path) -> str:
    return domain_xml(
        DomainSpec(
            name=NAME,
            machine=Machine(cpus=1, memory=64 * MIB),
            hardware=Hardware(),
            accelerator="tcg",
            disk=DomainDisk(path=disk, cache="unsafe"),
        )
    )


@pytest.mark.parametrize("lost", ["the QEMU", "the record", "the QEMU and the record"])
def test_the_next_run_is_not_held_up_by_what_libvirt_lost(tmp_path: Path, lost: str) -> None:
    tmp_path.chmod(0o755)
    disk = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
    with private_libvirt.private_libvirt() as daemon:
        uri = f"qemu:///system?socket={daemon.socket}"
        # Kept, because the machine ends with its connection.
        first = connect(uri, print)
        first.start_transient(machine(disk))
        known = daemon.folder / "state/run/libvirt/qemu"
        pid = int((known / f"{NAME}.pid").read_text())
        daemon.kill()
        if "QEMU" in lost:
            os.kill(pid, signal.SIGKILL)
        if "record" in lost:
            for path in known.glob(f"{NAME}.*"):
                path.unlink()
        daemon.start()
        hypervisor = connect(uri, print)
        if lost == "the record":
            with pytest.raises(HostError, match=f"in use by process {pid}, a QEMU with the machine '{NAME}'") as told:
                hypervisor.start_transient(machine(disk))
            assert f"'kill {pid}'" in told.value.hint
            os.kill(pid, signal.SIGKILL)
        again = hypervisor.start_transient(machine(disk))
        assert again.state().situation == "running"
        again.destroy()
        assert hypervisor.domain_names() == ()
        hypervisor.close()
        first.close()
