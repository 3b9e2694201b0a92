"""One data root for all builds of a run: made media and the probed accelerator stay in it between runs."""

import os
import shutil
from pathlib import Path

import pytest

from command import Command, wait_until_gone
from imgpipe.settings import checkout


@pytest.fixture(scope="session")
def data():
    root = Path(os.environ.get("IMGPIPE_TEST_DATA", checkout() / "output" / "tests"))
    for name in ("work", "images"):
        shutil.rmtree(root / name, ignore_errors=True)
    root.mkdir(parents=True, exist_ok=True)
    yield root
    wait_until_gone(root)


@pytest.fixture(scope="session")
def stand_in(data):
    """The path of the stand-in medium, made from packages if it is not there."""
    made = Command(data, "media", "make", "anaconda-stand-in")
    made.succeed()
    return next((data / "cache" / "made").glob("anaconda-stand-in-*.iso"))


@pytest.fixture(scope="session")
def demo(data, stand_in):
    """Two builds of the demo at once: the one that installs, and the one that waits for it."""
    first = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    first.until("stage_started", stage="install")
    second = Command(data, "build", "demo", "--json", env={"IMGPIPE_ROOT_PASSWORD": "not in any file"})
    return first.succeed(), second.succeed()
