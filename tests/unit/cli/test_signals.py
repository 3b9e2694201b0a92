"""Requests to end: each is Ctrl-C to what runs."""

import signal

import pytest

from imgpipe.cli import main


def test_a_terminal_that_is_lost_twice_interrupts_once():
    before = signal.signal(signal.SIGHUP, main._stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_asks_another_program_to_complete_is_nothing_to_this_one(monkeypatch):
    # It would run silently, and for two seconds.
    monkeypatch.setenv("FOO_COMPLETE", "1")
    assert not main._completing()
    monkeypatch.setenv("_IMGPIPE_COMPLETE", "complete_bash")
    assert main._completing()


def test_a_second_request_to_end_interrupts_the_clearing_up():
    before = signal.signal(signal.SIGTERM, main._stop)
    try:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
