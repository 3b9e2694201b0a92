"""Which system a disk that was found elsewhere holds."""

import pytest

from imgpipe.adapters.guest import Inspection
from imgpipe.importing import system_names


@pytest.mark.parametrize(
    ("distro", "product", "version", "name"),
    [
        ("ubuntu", "Ubuntu 24.04.1 LTS", "24.04", "ubuntu24.04"),
        ("debian", "Debian GNU/Linux 12 (bookworm)", "12.5", "debian12"),
        ("rocky", "Rocky Linux 9.4 (Blue Onyx)", "9.4", "rocky9"),
        ("redhat-based", "AlmaLinux release 10.0", "10.0", "almalinux10"),
        ("", "Anolis OS 8.8", "8.8", "anolis8.8"),
        ("centos", "CentOS Stream 9", "9.0", "centos-stream9"),
    ],
)
def test_a_system_is_recognised_by_its_distribution_and_version(distro, product, version, name):
    found = Inspection(
        kind="linux",
        product=product,
        distro=distro,
        version=version,
        arch="x86_64",
        package_format="rpm",
        hostname="",
        mountpoints=(),
    )
    assert name in system_names(found)
