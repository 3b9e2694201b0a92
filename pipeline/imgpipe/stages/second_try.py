"""A second try for machines that stop by themselves.

Under emulation, about twice in a hundred starts of machines with several processors on a busy host, a guest's kernel
hangs or QEMU ends by an assertion of its own (`iotlb_to_section`, a race of its processors' threads; both seen with
QEMU 10.0): nothing that was asked for is at fault, and whoever started a build would only start it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from imgpipe.errors import ImgpipeError
from imgpipe.events import Listener, Note

_Result = TypeVar("_Result")


class Stray(Exception):
    """A machine stopped for no fault of what it was asked to do; `error` tells of it. Never leaves a stage."""

    def __init__(self, error: ImgpipeError) -> None:
        super().__init__(str(error))
        self.error = error


def with_second_try(run: Callable[[], _Result], notify: Listener) -> _Result:
    """Return what `run` returns; call it a second time if it raises Stray, and raise its error if it does again."""
    try:
        return run()
    except Stray as stray:
        notify(Note(text=f"{stray.error} It is tried once more.{_last_words(stray.error)}", warning=True))
    try:
        return run()
    except Stray as stray:
        raise stray.error from None


def _last_words(error: ImgpipeError) -> str:
    """Return what QEMU said, which the log of the second try hides."""
    said = [line.strip() for line in error.details[:3]]
    return " " + " ".join(said) if said[:1] == ["qemu:"] else ""
