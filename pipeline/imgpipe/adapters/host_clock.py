"""The host's clock, and whether something keeps it right."""

from __future__ import annotations

import ctypes

# struct timex of <sys/timex.h> has 208 bytes on 64-bit Linux; modes 0 only reads, and needs no right.
_TIMEX_BYTES = 208
_TIME_ERROR = 5


def is_synchronized() -> bool | None:
    """Say whether the kernel's clock is kept by a time service (adjtimex(2)); None where it does not tell."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except AttributeError:
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)
