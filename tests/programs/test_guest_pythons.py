"""Which Python libguestfs' worker is run by: the distribution's, if it is new enough."""

import ast
import sys
from pathlib import Path

import pytest

from imgpipe import guest_worker
from imgpipe.adapters import guest
from imgpipe.errors import HostError
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor import guestfs

pytestmark = pytest.mark.programs

# What the host's Python says of itself, with a binding or without.
PYTHON = """#!{python}
import sys, types
if {binding}:
    sys.modules["guestfs"] = types.ModuleType("guestfs")
sys.version_info = ({version}, 0, "final", 0)
exec(sys.argv[sys.argv.index("-c") + 1])
"""
ROCKY8 = Distribution(family="el", title="Rocky Linux 8", release="8", codename="")


@pytest.fixture
def python(tmp_path, monkeypatch):
    def make(version, *, binding):
        path = tmp_path / "python"
        path.write_text(PYTHON.format(python=sys.executable, version=version, binding=binding))
        path.chmod(0o755)
        monkeypatch.setenv("IMGPIPE_GUESTFS_PYTHON", str(path))
        guest.guestfs_python.cache_clear()
        return str(path)

    yield make
    guest.guestfs_python.cache_clear()


@pytest.mark.parametrize("version", ["3, 6", "3, 8"])
def test_an_old_python_with_the_binding_is_refused_by_its_age(python, version):
    path = python(version, binding=True)
    with pytest.raises(guest.PythonTooOldError, match=r"is older than 3\.9") as told:
        guest.guestfs_python()
    assert path in str(told.value)
    (found, *_) = guestfs.judge(guestfs.gather(), ROCKY8)
    assert (found.name, found.state, found.commands) == ("libguestfs", "fail", ())
    assert "older than 3.9" in found.meaning


def test_a_newer_one_is_taken_and_one_without_the_binding_is_told_so(python):
    assert python("3, 9", binding=True) == guest.guestfs_python()
    python("3, 6", binding=False)
    with pytest.raises(HostError, match="cannot import 'guestfs'"):
        guest.guestfs_python()


@pytest.mark.parametrize("path", sorted(Path(guest_worker.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_the_worker_is_written_for_the_oldest_that_is_taken(path):
    ast.parse(path.read_text(), feature_version=guest._OLDEST_PYTHON)
