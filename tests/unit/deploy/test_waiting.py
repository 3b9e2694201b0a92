"""Machines are up when their guests say so; those that are not are told with what they said last."""

import dataclasses
import json
from pathlib import Path

import pytest
from fake_libvirt import FakeMachines, Fakes, FakeStream
from sample_fleets import FACTS, fleet, plan

from imgpipe.deploy import waiting
from imgpipe.deploy.definitions import HostPolicy, definition
from imgpipe.deploy.existing import Proven
from imgpipe.deploy.record import record_of
from imgpipe.deploy.waiting import wait_until_up
from imgpipe.errors import GuestError
from imgpipe.events import Note
from imgpipe.identity.digest import identity_digest

POLICY = HostPolicy(folder=Path("/pool"), accelerator="kvm")
WANTED = plan(fleet(), FACTS).machines


def said(machine, number=0, **different):
    """Return the line of JSON with which a guest that is as it was asked for reports."""
    nics = [
        {"name": f"eth{index}", "mac": nic.mac, "addresses": [str(nic.address)]}
        for index, nic in enumerate(machine.identity.nics)
    ]
    told = {
        "version": 1,
        "hostname": machine.identity.hostname,
        "machine_id": f"{number:032x}",
        "host_keys": [f"SHA256:{number:043}"],
        "nics": nics,
        "gateways": [str(nic.gateway) for nic in machine.identity.nics if nic.gateway],
        "identity": identity_digest(machine.identity),
        "state": "running",
        "failed": [],
        "problems": [],
    }
    return (json.dumps(told | different) + "\n").encode()


@pytest.fixture
def machines(monkeypatch):
    made = FakeMachines(Fakes())
    for number, machine in enumerate(WANTED):
        made.known[machine.name] = definition(machine, (), record_of(machine, "imgpipe"), POLICY)
        made.running.add(machine.name)
        made.ports[machine.name] = FakeStream(said(machine, number))
        made.consoles[machine.name] = FakeStream(b"login: ")
    clock = iter(range(10_000))
    monkeypatch.setattr(waiting.time, "monotonic", lambda: next(clock) / 10)
    monkeypatch.setattr(waiting.time, "sleep", lambda _: None)
    return made


def test_all_that_report_what_was_asked_are_up_and_remembered(machines):
    reports = wait_until_up(WANTED, machines, 60, lambda _: None)
    assert list(reports) == [machine.name for machine in WANTED]
    proven = machines.find(WANTED[1].name).record.proven
    assert proven.machine_id == f"{1:032x}"
    assert all(stream.closed for stream in (*machines.ports.values(), *machines.consoles.values()))


def test_how_many_are_up_is_told_again_and_again(machines):
    machines.ports[WANTED[2].name] = FakeStream()
    told = []
    with pytest.raises(GuestError):
        wait_until_up(WANTED, machines, 60, told.append)
    assert told[0].done == 0
    assert [event.done for event in told].count(2) > 5
    assert {event.phase for event in told} == {"machines come up"}


def test_a_report_in_pieces_and_with_noise_is_read(machines):
    line = said(WANTED[0], 7)
    machines.ports[WANTED[0].name] = FakeStream(b"noise\n{bad\n" + line[:20], b"", line[20:50], line[50:])
    assert wait_until_up(WANTED, machines, 60, lambda _: None)[WANTED[0].name].machine_id == f"{7:032x}"


def test_an_early_report_is_not_the_last_word(machines):
    early = said(WANTED[0], state="starting"), said(WANTED[0], identity="0" * 16)
    machines.ports[WANTED[0].name] = FakeStream(*early, said(WANTED[0]))
    assert WANTED[0].name in wait_until_up(WANTED, machines, 60, lambda _: None)


def test_one_that_is_late_is_shown_with_what_is_wrong_and_its_console(machines):
    name = WANTED[2].name
    machines.ports[name] = FakeStream(said(WANTED[2], 2, hostname="localhost"))
    machines.consoles[name] = FakeStream(b"\x1b[31mKernel panic\x07 - not syncing\r\n")
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED, machines, 5, lambda _: None)
    assert str(caught.value) == f"1 of 3 machines did not come up as asked within 5 seconds: '{name}'."
    assert f"{name}: The host name is 'localhost', not '{WANTED[2].identity.hostname}'." in caught.value.details
    assert "  Kernel panic - not syncing" in caught.value.details


def test_one_that_ends_is_not_waited_for(machines):
    machines.running.discard(WANTED[0].name)
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED, machines, 10_000, lambda _: None)
    assert f"{WANTED[0].name}: It is off." in caught.value.details


SHOWN = b"[ TIME ] Timed out waiting for device dev-vdb1.device.\r\n[DEPEND] Dependency failed for srv.mount.\r\n"
FAILURES = {
    b'You are in emergency mode. After logging in, type "journalctl -xb" to view\r\n': "It fell into emergency mode.",
    b'Welcome to emergency mode! After logging in, type "journalctl -xb"\r\n': "It fell into emergency mode.",
    b"[  OK  ] Started emergency.service - Emergency Shell.\r\n": "It fell into emergency mode.",
    b"Press Enter for maintenance\r\n(or press Control-D to continue): ": "It fell into emergency mode.",
    b"Entering emergency mode. Exit the shell to continue.\r\n": "It stopped in its initramfs.",
    b"         Starting dracut-emergency.service - Dracut Emergency Shell...\r\n": "It stopped in its initramfs.",
    b"ALERT!  UUID=5ae1 does not exist.  Dropping to a shell!\r\n": "It stopped in its initramfs.",
    # Prompts, behind which no line break comes.
    b"dracut:/# ": "It stopped in its initramfs.",
    b"(initramfs) ": "It stopped in its initramfs.",
    b"Give root password for maintenance": "It fell into emergency mode.",
    b"grub> ": "It stopped in its boot loader.",
}


@pytest.mark.parametrize("words", FAILURES)
def test_a_boot_that_ended_in_a_shell_is_told_at_once_with_its_console(machines, words):
    machines.ports[WANTED[0].name] = FakeStream()
    machines.consoles[WANTED[0].name] = FakeStream(SHOWN, words)
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED[:1], machines, 10_000, lambda _: None, "tcg")
    name = WANTED[0].name
    assert str(caught.value) == f"1 of 1 machines did not come up as asked: '{name}'."
    reason, *_ = caught.value.details
    assert reason.startswith(f"{name}: {FAILURES[words]}")
    assert "Its device '/dev/vdb1' did not appear in time." in reason
    assert "The host was most likely too slow: it emulates, with a load of " in reason
    assert "  [DEPEND] Dependency failed for srv.mount." in caught.value.details
    assert f"  {words.decode().splitlines()[0].strip()}" in caught.value.details


def test_under_kvm_a_late_device_is_named_and_no_slowness_claimed(machines):
    machines.ports[WANTED[0].name] = FakeStream()
    machines.consoles[WANTED[0].name] = FakeStream(SHOWN, b"You are in emergency mode.\r\n")
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED[:1], machines, 10_000, lambda _: None)
    assert caught.value.details[0].endswith("emergency mode. Its device '/dev/vdb1' did not appear in time.")


def test_whose_boot_failed_is_told_while_the_others_are_waited_for(machines):
    late = FakeStream(*[b""] * 500, said(WANTED[1], 1))
    machines.ports[WANTED[0].name], machines.ports[WANTED[1].name] = FakeStream(), late
    machines.consoles[WANTED[0].name] = FakeStream(SHOWN, b"You are in emergency mode.\r\n")
    told = []
    with pytest.raises(GuestError, match="1 of 3"):
        wait_until_up(WANTED, machines, 10_000, told.append)
    notes = [(place, event) for place, event in enumerate(told) if isinstance(event, Note)]
    assert [event.warning for _place, event in notes] == [True, *[False] * (len(notes) - 1)]
    assert notes[0][1].text.startswith(f"{WANTED[0].name}: It fell into emergency mode.")
    assert notes[-1][1].text == "  You are in emergency mode."
    assert notes[-1][0] < len(told) - 2
    assert late.pieces == []


def test_a_guest_that_floods_its_port_is_late_and_takes_no_memory(machines):
    stream = FakeStream(*[b"x" * 50_000] * 40)
    machines.ports[WANTED[0].name] = stream
    with pytest.raises(GuestError, match="1 of 3"):
        wait_until_up(WANTED, machines, 30, lambda _: None)


def test_two_that_are_alike_are_named(machines):
    machines.ports[WANTED[1].name] = FakeStream(said(WANTED[1], 0))
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED, machines, 60, lambda _: None)
    assert any(
        "machine-id" in line and WANTED[0].name in line and WANTED[1].name in line for line in caught.value.details
    )


def test_one_that_is_like_a_machine_made_earlier_is_named(machines):
    proven = Proven(hostname="old", machine_id=f"{0:032x}", host_keys=(), macs=(), addresses=())
    old = dataclasses.replace(machines.find(WANTED[2].name).record, proven=proven)
    machines.set_record(WANTED[2].name, old)
    with pytest.raises(GuestError) as caught:
        wait_until_up(WANTED[:2], machines, 60, lambda _: None)
    assert WANTED[2].name in caught.value.details[0]
