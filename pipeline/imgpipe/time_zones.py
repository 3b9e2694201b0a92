"""The names of time zones, by the tz database of the host and, where it is incomplete or missing, by CLDR's table."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from tzlocal.windows_tz import tz_win


def is_time_zone(name: str) -> bool:
    """Say whether a name is one of the tz database, such as 'Asia/Shanghai'."""
    return name in _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones()) | frozenset(tz_win)
