"""The kickstart family: Enterprise Linux, its rebuilds and its relatives."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.hookspecs import hookimpl
from imgpipe.os_family import OsFamily
from imgpipe_el.lint import lint
from imgpipe_el.options import ElOptions
from imgpipe_el.prepare import prepare
from imgpipe_el.systems import RELEASES


@hookimpl
def imgpipe_os_families() -> Iterable[OsFamily]:
    """Yield the family of all systems that Anaconda installs."""
    yield OsFamily(
        name="el",
        answer_kind="kickstart",
        systems=tuple(release.system for release in RELEASES),
        prepare=prepare,
        lint=lint,
        options=ElOptions,
        stand_in="anaconda-stand-in",
    )
