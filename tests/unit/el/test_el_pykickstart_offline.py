"""pykickstart is used without what loads from URLs, and leaves the real library to others."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.programs

# Each in a process of its own: other tests may have loaded pykickstart with the real library.
REFUSED = """
from imgpipe_el.lint.pykickstart_offline import KickstartError
from pykickstart import load
try:
    load.load_to_str("https://example.org/ks.cfg")
except KickstartError as error:
    assert "imgpipe loads nothing from" in str(error)
else:
    raise AssertionError
"""
LEFT_ALONE = """
import sys
import imgpipe_el.lint.pykickstart_offline
assert not any(name.startswith("urllib3") for name in sys.modules)
import requests
assert requests.Session
"""


@pytest.mark.parametrize("code", [REFUSED, LEFT_ALONE], ids=["refused", "left-alone"])
def test_a_kickstart_on_the_network_is_refused_and_the_real_library_left_alone(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
