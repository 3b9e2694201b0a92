"""What a real guest says on its console and on a port is in our files, from the first byte to the last."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import libvirt
import pytest

import private_libvirt
import tiny_guest
from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.adapters.machine import RunningMachine
from imgpipe.adapters.records import MARK, Recorded
from imgpipe.domain_spec import DirectKernel, DomainSpec
from imgpipe.domain_xml import domain_xml
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.sizes import MIB

LACKING = private_libvirt.lacking() or tiny_guest.lacking()
pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(LACKING), reason=LACKING or "-")]

PORT = "org.imgpipe.test.0"
ON_CONSOLE, ON_PORT = 20_000, 200_000
INIT = (
    tiny_guest.START
    + rf"""port=$(echo /dev/vport*)
case $(cat /proc/cmdline) in
*twice*)
    echo "console begins" > /dev/ttyS0
    n=0
    while [ $n -lt 100 ]; do n=$((n+1)); echo "tick $n" > /dev/ttyS0; sleep 0.2; done ;;
*)
    seq -w 1 {ON_PORT} > $port
    seq -w 1 {ON_CONSOLE} > /dev/ttyS0 ;;
esac
poweroff -f
"""
)
LONGEST_SECONDS = 240


def spec(folder: Path, *arguments: str) -> DomainSpec:
    kernel, initrd = tiny_guest.make(folder, INIT, ("virtio_pci", "virtio_console"))
    return DomainSpec(
        name="talker",
        machine=Machine(cpus=1, memory=256 * MIB, disk=64 * MIB),
        hardware=Hardware(),
        accelerator="tcg",
        direct=DirectKernel(kernel=kernel, initrd=initrd, arguments=("console=ttyS0", "quiet", *arguments)),
        ports=(PORT,),
    )


def ended(machine: RunningMachine) -> None:
    end = time.monotonic() + LONGEST_SECONDS
    while machine.state().situation != "ended":
        assert time.monotonic() < end, f"the guest did not switch itself off within {LONGEST_SECONDS} s"
        time.sleep(0.2)
    machine.finish_records()


def numbers(text: bytes, last: int) -> list[bytes]:
    """Return the lines that are numbers of `last`'s width."""
    width = len(str(last))
    return [line for line in text.replace(b"\r", b"").split(b"\n") if len(line) == width and line.isdigit()]


@pytest.fixture
def daemon():
    with private_libvirt.private_libvirt() as made:
        yield made


@pytest.fixture
def hypervisor(daemon):
    with closing(connect(daemon.uri, print)) as connected:
        yield connected


def test_a_guest_that_talks_fast_and_switches_itself_off_at_once_loses_nothing(daemon, hypervisor: Hypervisor):
    console, port = daemon.folder / "console.log", daemon.folder / "port.log"
    recorded = Recorded(console=console, ports={PORT: port})
    machine = hypervisor.start_transient(domain_xml(spec(daemon.folder)), recorded=recorded)
    try:
        ended(machine)
    finally:
        machine.destroy()
    assert numbers(port.read_bytes(), ON_PORT) == [b"%06d" % n for n in range(1, ON_PORT + 1)]
    assert numbers(console.read_bytes(), ON_CONSOLE) == [b"%05d" % n for n in range(1, ON_CONSOLE + 1)]
    assert {path.stat().st_mode & 0o777 for path in (console, port)} == {0o600}


def test_a_console_that_somebody_takes_over_is_taken_up_again_and_the_gap_is_marked(daemon, hypervisor: Hypervisor):
    console = daemon.folder / "console.log"
    machine = hypervisor.start_transient(domain_xml(spec(daemon.folder, "twice")), recorded=Recorded(console=console))
    try:
        end = time.monotonic() + LONGEST_SECONDS
        while b"tick 5" not in console.read_bytes():
            assert time.monotonic() < end, "the guest did not begin to talk"
            time.sleep(0.1)
        with closing(libvirt.open(daemon.uri)) as other:
            stream = other.newStream()
            other.lookupByName("talker").openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            assert stream.recv(16)
            stream.abort()
        ended(machine)
    finally:
        machine.destroy()
    text = console.read_bytes()
    assert text.count(MARK) == 1
    assert b"tick 100" in text.partition(MARK)[2]
