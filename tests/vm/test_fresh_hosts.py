"""The packages of a fresh host: apt itself says whether the lists can be installed on a bare Debian.

The lists of the other families are checked against nothing here: their repositories cannot be reached.
"""

import shutil

import pytest

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.debian_mirror import of_host
from imgpipe.host.distribution import Distribution

# Nothing boots, but apt fetches its lists and solves for a bare system: half a minute each.
pytestmark = pytest.mark.vm

SUITES = {
    "bookworm": ("12", ('--aptopt=APT::Default-Release "bookworm-backports"',), ("bookworm", "bookworm-backports")),
    "trixie": ("13", (), ("trixie",)),
}


@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="mmdebstrap is not installed")
@pytest.mark.parametrize("suite", SUITES)
def test_a_bare_debian_can_install_every_package(suite):
    release, options, sources = SUITES[suite]
    try:
        mirror = of_host().url
    except HostError as error:
        pytest.skip(str(error))
    wanted = Distribution(family="debian", title="", release=release, codename=suite).wanted()
    assert wanted
    process.run(
        "mmdebstrap", "--simulate", "--variant=minbase", *options,
        f"--include={','.join(one.package for one in wanted)}", suite, "/dev/null",
        *(f"deb {mirror} {source} main" for source in sources),
        timeout_s=1200,
    )  # fmt: skip
