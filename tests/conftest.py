"""What all rings of tests share."""

import signal

import pytest
from hypothesis import HealthCheck, settings

from imgpipe.adapters import process
from imgpipe.plugins import Plugins
from imgpipe.recipe_files import RecipeFolders
from imgpipe.settings import checkout

pytest_plugins = ["lanes", "last_words"]

# A job in the background of a script is started with SIGINT ignored, and so would be what tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines are noisy, so no test has a time limit.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

BOOTING = ("vm", "appliance", "programs", "libvirt")


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files; review them as a diff")


@pytest.fixture(autouse=True)
def no_programs(request, monkeypatch):
    """Forbid programs to every test that does not say that it needs some."""

    def refuse(*argv, **options):
        raise AssertionError(f"a unit test tried to run {argv}")

    if not any(mark in request.keywords for mark in BOOTING):
        monkeypatch.setattr(process.subprocess, "run", refuse)
        monkeypatch.setattr(process.subprocess, "Popen", refuse)


@pytest.fixture(scope="session")
def plugins():
    return Plugins.load()


@pytest.fixture(scope="session")
def recipes():
    return RecipeFolders((checkout() / "recipes",))
