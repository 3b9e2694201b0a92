"""Locks of QEMU on an image, as the kernel tells them."""

import fcntl
import os
import struct

import pytest
from test_leftover_machines import Refusal

from imgpipe.adapters import image_locks
from imgpipe.adapters.libvirt_errors import host_error

LOCK = struct.Struct("hhqqi4x")


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "web-01.qcow2"
    path.write_bytes(b"QFI\xfb")
    return path


def locked(path, place, length=1):
    """Lock bytes as QEMU does: shared, by the description of the open file."""
    descriptor = os.open(path, os.O_RDWR)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, LOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, place, length, 0))
    return descriptor


@pytest.mark.parametrize("place", [100, 101, 201, 203])
def test_an_image_is_held_by_whoever_locks_the_bytes_that_qemu_locks(image, place):
    assert not image_locks.is_held(image)
    descriptor = locked(image, place)
    assert image_locks.is_held(image)
    os.close(descriptor)
    assert not image_locks.is_held(image)


@pytest.mark.parametrize("place", [0, 400])
def test_a_lock_of_something_else_counts_for_nothing(image, place):
    descriptor = locked(image, place)
    assert not image_locks.is_held(image)
    os.close(descriptor)


def test_what_is_not_there_or_no_file_is_held_by_nobody(image, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert not image_locks.is_held(tmp_path / "gone.qcow2")
    assert not image_locks.is_held(tmp_path / "fifo")
    assert not image_locks.is_held(tmp_path)
    assert image_locks.holder(tmp_path / "gone.qcow2") is None


def test_a_start_that_fails_for_a_lock_says_whose_it_is(image, monkeypatch):
    monkeypatch.setattr(image_locks, "holder", lambda _path: image_locks.Holder(pid=4242, guest="web-01"))
    refusal = Refusal(1)
    text = (
        "internal error: QEMU unexpectedly closed the monitor: qemu-system-x86_64: -blockdev {}: "
        f'Failed to get "write" lock\nIs another process using the image [{image}]?'
    )
    monkeypatch.setattr(refusal, "get_error_message", lambda: text)
    told = host_error(refusal, "qemu:///system", "start the machine 'web-01'")
    assert str(told) == (
        f"libvirt could not start the machine 'web-01': '{image}' is in use by process 4242, a QEMU with the machine "
        "'web-01'."
    )
    assert "'kill 4242'" in told.hint


def test_a_holder_that_cannot_be_seen_is_told_as_such(image, monkeypatch):
    monkeypatch.setattr(image_locks, "holder", lambda _path: None)
    assert image_locks.whose(image)[0] == "by another process"
