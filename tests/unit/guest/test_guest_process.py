"""Talking to the worker, with an object in place of the process."""

import json
import os
from types import SimpleNamespace

import pytest

from imgpipe.adapters.guest_process import GuestProcess
from imgpipe.errors import GuestError, HostError


@pytest.fixture
def worker():
    """Yield a process whose answers are written to `answers` and whose requests are read from `requests`."""
    requests_out, requests_in = os.pipe()
    answers_out, answers_in = os.pipe()
    stdin, stdout = os.fdopen(requests_in, "wb", buffering=0), os.fdopen(answers_out, "rb")
    process = GuestProcess(SimpleNamespace(stdin=stdin, stdout=stdout))
    answers, requests = os.fdopen(answers_in, "wb", buffering=0), os.fdopen(requests_out, "rb", buffering=0)
    yield SimpleNamespace(process=process, answers=answers, requests=requests)
    for pipe in (stdin, stdout, answers, requests):
        pipe.close()


def reply(worker, value):
    worker.answers.write(json.dumps(value).encode() + b"\n")


def test_a_request_is_one_line_and_its_answer_is_returned(worker):
    reply(worker, {"ok": ["/a"]})
    assert worker.process.ask("glob", 5, pattern="/*\n") == ["/a"]
    assert json.loads(worker.requests.read(4096)) == {"call": "glob", "pattern": "/*\n"}


def test_two_answers_that_arrive_at_once_are_kept_apart(worker):
    reply(worker, {"ok": 1})
    reply(worker, {"ok": 2})
    assert [worker.process.ask("a", 5), worker.process.ask("b", 5)] == [1, 2]


def test_silence_beyond_the_time_limit_is_the_hosts_fault(worker):
    with pytest.raises(HostError, match="did not finish 'open' in time"):
        worker.process.ask("open", 0.01)


def test_a_worker_that_dies_is_reported(worker):
    worker.answers.close()
    with pytest.raises(HostError, match="ended during 'apply'"):
        worker.process.ask("apply", 5)


def test_a_worker_that_died_before_is_reported(worker):
    worker.requests.close()
    with pytest.raises(HostError, match="ended unexpectedly"):
        worker.process.ask("apply", 5)


def test_garbage_is_not_taken_for_an_answer(worker):
    worker.answers.write(b"Segmentation fault\n")
    with pytest.raises(HostError, match="no readable answer to 'apply'"):
        worker.process.ask("apply", 5)


@pytest.mark.parametrize(
    ("told", "kind", "hint"),
    [
        (
            {"error": "no operating system", "details": ["Superblock has unknown incompatible features"]},
            GuestError,
            "nrext64",
        ),
        (
            {"error": "failed", "details": ["supermin: open: /boot/vmlinuz-6.1: Permission denied"]},
            HostError,
            "chmod 0644",
        ),
        ({"error": "libguestfs failed at 'open'.", "details": ["guestfs_launch failed"]}, HostError, "test-tool"),
        ({"error": "libguestfs cannot read NTFS on this host.", "details": []}, HostError, "'ntfs-3g'"),
        ({"error": "The disk holds 2 operating systems.", "details": []}, GuestError, "Only disks with one"),
    ],
)
def test_what_goes_wrong_says_who_must_act_and_what_to_do(worker, told, kind, hint):
    reply(worker, told)
    with pytest.raises(kind) as caught:
        worker.process.ask("open", 5)
    assert hint in caught.value.hint
