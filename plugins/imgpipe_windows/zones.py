"""Time zones: Windows' names for those of IANA, by the Unicode CLDR's table (windowsZones), which tzlocal carries."""

from __future__ import annotations

import difflib

from tzlocal.windows_tz import tz_win

from imgpipe.errors import RecipeError


def windows_zone(iana: str) -> str:
    """Return Windows' id of a time zone ('Asia/Shanghai' is 'China Standard Time').

    Raises RecipeError that names near ones where there is none.
    """
    if iana in tz_win:
        return tz_win[iana]
    near = difflib.get_close_matches(iana, tz_win, n=3)
    raise RecipeError(
        f"Windows has no time zone for '{iana}'.",
        hint=f"Did you mean {', '.join(near)}?" if near else "Name it as IANA does, such as 'Asia/Shanghai'.",
    )
