"""pykickstart is used without what loads from URLs, and leaves the real library to others."""

import subprocess
import sys

import pytest
from pykickstart import load

from imgpipe_el.lint.pykickstart_offline import KickstartError


def test_a_kickstart_on_the_network_is_refused():
    with pytest.raises(KickstartError, match="imgpipe loads nothing from"):
        load.load_to_str("https://example.org/ks.cfg")


@pytest.mark.programs
def test_the_real_library_is_not_loaded_and_can_be_loaded_afterwards():
    code = (
        "import sys, imgpipe_el.lint.pykickstart_offline; assert not any(m.startswith('urllib3') for m in sys.modules);"
        "import requests; assert requests.Session"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
