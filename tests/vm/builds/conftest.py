"""Debian's build, which runs beside all others."""

import shutil
from pathlib import Path

import pytest

from command import Command, wait_until_gone

DEBIAN = "debian13-2c2g6g"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put Debian behind the other builds: it runs beside them, and takes longer than all of them."""
    here = Path(__file__).parent
    places = [place for place, item in enumerate(items) if item.path.parent == here]
    builds = sorted((items[place] for place in places), key=is_debian)
    for place, item in zip(places, builds, strict=True):
        items[place] = item


def is_debian(item):
    return item.path.name == "test_debian.py"


@pytest.fixture(scope="session", autouse=True)
def debian(request, data):
    """The build of Debian, which is started before all others; None where it is not asked for."""
    if not any(map(is_debian, request.session.items)):
        yield None
        return
    # In a data root of its own, so that tests can say when no machine of theirs is left.
    own = data.with_name(f"{data.name}-debian")
    for name in ("work", "images"):
        shutil.rmtree(own / name, ignore_errors=True)
    build = Command(own, "build", DEBIAN, "--json")
    yield build
    build.end()
    wait_until_gone(own)
