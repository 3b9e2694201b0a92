"""What the tests that boot guests share: a data root, the stand-in medium, and the demo's image."""

import shutil

import pytest

from command import DATA, Command, wait_until_gone
from long_builds import making_media


@pytest.fixture(scope="session")
def data():
    for name in ("work", "images"):
        shutil.rmtree(DATA / name, ignore_errors=True)
    DATA.mkdir(parents=True, exist_ok=True)
    yield DATA
    wait_until_gone(DATA)


@pytest.fixture(scope="session")
def stand_in(data):
    """The path of the stand-in medium, made from packages if it is not there."""
    with making_media():
        Command(data, "media", "make", "anaconda-stand-in").succeed()
    return next((data / "cache" / "made").glob("anaconda-stand-in-*.iso"))


@pytest.fixture(scope="session")
def demo(data, stand_in):
    """Two builds of the demo at once: the one that installs, and the one that waits for it."""
    first = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    first.until("stage_started", stage="install")
    second = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    return first.succeed(), second.succeed()
