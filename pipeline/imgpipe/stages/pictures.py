"""Pictures of an installer that speaks on its screen: one a minute, the last ones kept for the report of a failure."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from imgpipe.machine_state import Activity

FOLDER = "screens"
_EVERY_SECONDS = 60.0
_KEPT = 15


class Pictures:
    """Takes pictures by `shoot` into a folder of `work`, named by the minute: '007.png'."""

    def __init__(self, shoot: Callable[[Path], bool], work: Path, clock: Callable[[], float]) -> None:
        self._shoot = shoot
        self._folder = work / FOLDER
        self._clock = clock
        self._start = clock()
        self._minute = 0
        shutil.rmtree(self._folder, ignore_errors=True)
        # What is on the screen is the operator's business alone.
        self._folder.mkdir(mode=0o700)

    def look(self, _activity: Activity | None) -> bool:
        """Take a picture if a minute went by since the last one; it proves nothing, so False."""
        minute = int((self._clock() - self._start) / _EVERY_SECONDS)
        if minute > self._minute:
            self._minute = minute
            self._shoot(self._folder / f"{minute:03}.png")
            for old in sorted(self._folder.iterdir())[:-_KEPT]:
                old.unlink()
        return False
