"""The same for many machines, a few at a time; an error or Ctrl-C stops it between two of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from imgpipe.errors import ImgpipeError

AT_ONCE = 4

Item = TypeVar("Item")


def each(items: Iterable[Item], act: Callable[[Item], None], at_once: int, done: Callable[[Item], None]) -> None:
    """Call `act` for each item in `at_once` threads; `done` is told of each in this thread, when it is over.

    When one fails no more are begun, those under way are let finish, and the first error is raised; what else went
    wrong is added to its details. Ctrl-C is the same. Only as many items as are under way are taken from `items`.
    """
    waiting = iter(items)
    errors: list[ImgpipeError] = []
    with _Gate() as gate, ThreadPoolExecutor(max_workers=at_once) as threads:
        running: dict[Future[None], Item] = {}
        while True:
            if not errors:
                running |= {
                    threads.submit(gate.through, act, item): item for item in islice(waiting, at_once - len(running))
                }
            if not running:
                break
            over, _ = wait(running, return_when=FIRST_COMPLETED)
            for item in _finished(over, running, errors):
                done(item)
    if errors:
        raise _first(errors)


class _Gate:
    """Lets calls begin while it is open, and closes only behind the last of them.

    An executor that is interrupted while it starts a thread does not know of it, and would not wait for its call.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._inside = 0

    def __enter__(self) -> _Gate:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: not self._inside)

    def through(self, act: Callable[[Item], None], item: Item) -> None:
        """Call `act`, unless the gate is closed."""
        with self._changed:
            if not self._open:
                return
            self._inside += 1
        try:
            act(item)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()


def _finished(over: set[Future[None]], running: dict[Future[None], Item], errors: list[ImgpipeError]) -> Iterator[Item]:
    for future in over:
        item = running.pop(future)
        try:
            future.result()
        except ImgpipeError as error:
            errors.append(error)
        else:
            yield item


def _first(errors: list[ImgpipeError]) -> ImgpipeError:
    first, *others = errors
    return type(first)(str(first), hint=first.hint, details=(*first.details, *(str(other) for other in others)))
