"""What a running guest writes to its port and its console is read through libvirt."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

import private_libvirt
import tiny_guest
from imgpipe.adapters.hypervisor import connect
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.definitions import REPORT_PORT
from imgpipe.domain_spec import DirectKernel, DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

LACKING = private_libvirt.lacking() or tiny_guest.lacking()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING)]
_LONGEST_S = 240


def guest(folder: Path) -> str:
    kernel, initrd = tiny_guest.make(folder)
    spec = DomainSpec(
        name="speaker",
        machine=Machine(cpus=1, memory=256 * MIB),
        hardware=Hardware(),
        accelerator="kvm" if os.environ.get("IMGPIPE_ACCELERATOR") == "kvm" else "tcg",
        direct=DirectKernel(kernel=kernel, initrd=initrd, arguments=("console=ttyS0", "panic=1", "act=silent")),
        ports=(REPORT_PORT,),
    )
    return domain_xml(spec)


def test_port_and_console_of_a_running_guest_are_read_and_end_with_it() -> None:
    with tempfile.TemporaryDirectory(prefix="str-") as folder, private_libvirt.private_libvirt() as daemon:
        hypervisor = connect(daemon.uri, print)
        machines = Machines(hypervisor)
        machines.define(guest(Path(folder)))
        machines.start("speaker")
        try:
            port, console = machines.open_port("speaker", REPORT_PORT), machines.open_console("speaker")
            assert console is not None
            assert machines.open_console("speaker") is None
            told, shown = b"", b""
            end = time.monotonic() + _LONGEST_S
            while not (b"the log channel works\n" in told and b"Installing busybox" in shown):
                assert time.monotonic() < end, (told, shown[-500:])
                told += port.read()
                shown += console.read()
                time.sleep(0.2)
            assert not port.ended
        finally:
            machines.force_stop("speaker")
        end = time.monotonic() + 30
        while not (port.ended and console.ended):
            assert time.monotonic() < end
            port.read()
            console.read()
            time.sleep(0.1)
        assert machines.active() == frozenset()
        machines.remove("speaker", keep_nvram=False, keep_tpm=False)
        assert machines.names() == frozenset()
        hypervisor.close()
