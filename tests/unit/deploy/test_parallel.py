"""An interruption waits for what is under way, whatever the executor knows of it."""

import threading
import time

import pytest

from imgpipe.deploy import parallel


class Interrupted:
    """An executor that is interrupted while it starts its first thread."""

    def __init__(self, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def submit(self, call, *arguments):
        threading.Thread(target=call, args=arguments).start()
        assert arguments[1].wait(10)
        raise KeyboardInterrupt


def test_a_call_that_the_executor_does_not_know_of_is_waited_for(monkeypatch):
    monkeypatch.setattr(parallel, "ThreadPoolExecutor", Interrupted)
    over = []

    def act(begun):
        begun.set()
        time.sleep(0.2)
        over.append(begun)

    with pytest.raises(KeyboardInterrupt):
        parallel.each([threading.Event()], act, 4, lambda _: None)
    assert len(over) == 1


def test_a_call_that_comes_too_late_does_nothing():
    calls = []
    with parallel._Gate() as gate:
        gate.through(calls.append, 1)
    gate.through(calls.append, 2)
    assert calls == [1]
