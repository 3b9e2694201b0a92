"""The records of the kickstart family's releases."""

import fnmatch
import re
from itertools import chain

import pluggy
import pytest
from el_orders import ROOT
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from imgpipe import hookspecs
from imgpipe.errors import PluginError
from imgpipe.os_family import OsFamily
from imgpipe_el import plugin, release
from imgpipe_el.options import ElOptions
from imgpipe_el.systems import RELEASES, release_of

INSTALLERS = [value for value in vars(release).values() if isinstance(value, release.Installer)]
NAMES = [
    "rocky8", "rocky9", "rocky10", "almalinux8", "almalinux9", "almalinux10", "centos-stream9", "centos-stream10",
    "openeuler22.03", "openeuler24.03", "anolis8", "anolis23", "opencloudos8", "opencloudos9", "kylin10", "uos20",
]  # fmt: skip


def accepts(handler, words):
    try:
        handler.dispatcher(words, 1)
    except Exception:
        return False
    return True


def test_the_plugin_yields_one_family_with_every_system():
    (family,) = plugin.imgpipe_os_families()
    assert isinstance(family, OsFamily)
    assert (family.name, family.answer_kind, family.stand_in) == ("el", "kickstart", "anaconda-stand-in")
    assert sorted(system.name for system in family.systems) == sorted(NAMES)
    assert family.options is ElOptions


def test_the_plugins_hooks_are_known_ones():
    manager = pluggy.PluginManager("imgpipe")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    assert [family.name for family in chain(*manager.hook.imgpipe_os_families())] == ["el"]


def test_every_system_has_a_recipe_of_its_name():
    for name in NAMES:
        assert (ROOT / "recipes" / f"{name}.toml").is_file()


def test_a_system_of_another_family_is_refused():
    with pytest.raises(PluginError, match="'debian13'"):
        release_of("debian13")


@pytest.mark.parametrize("installer", INSTALLERS, ids=lambda installer: installer.handler)
def test_the_capabilities_agree_with_pykickstart(installer):
    handler = makeVersion(installer.handler)
    packages = KickstartParser(handler).getSection("%packages")
    packages.handleHeader(1, ["%packages", installer.weak_dependencies_option])
    assert handler.packages.excludeWeakdeps
    assert ("timesource" in handler.commands) == installer.timesource
    assert accepts(handler, ["rootpw", "--iscrypted", "--allow-ssh", "x"]) == installer.root_ssh_option


@pytest.mark.parametrize(
    ("name", "medium"),
    [
        ("rocky9", "Rocky-9.7-x86_64-minimal.iso"),
        ("rocky10", "Rocky-10.1-x86_64-minimal.iso"),
        ("rocky10", "Rocky-10.1-x86_64-dvd1.iso"),
        ("almalinux9", "AlmaLinux-9-latest-x86_64-minimal.iso"),
        ("centos-stream10", "CentOS-Stream-10-latest-x86_64-dvd1.iso"),
        ("openeuler24.03", "openEuler-24.03-LTS-SP4-x86_64-dvd.iso"),
        ("anolis8", "AnolisOS-8.8-x86_64-minimal.iso"),
        ("opencloudos9", "OpenCloudOS-9.0-x86_64-everything.iso"),
        ("kylin10", "Kylin-Server-V10-SP3-General-Release-2303-X86_64.iso"),
        ("kylin10", "Kylin-Server-10-SP2-x86-Release-Build09-20210524.iso"),
        ("uos20", "uniontechos-server-20-1050a-amd64.iso"),
    ],
)
def test_the_vendors_file_names_are_found(name, medium):
    assert any(fnmatch.fnmatchcase(medium, pattern) for pattern in release_of(name).system.media)


def test_the_debian_build_of_uos_is_not_taken():
    medium = "uniontechos-server-20-1050d-amd64.iso"
    assert not any(fnmatch.fnmatchcase(medium, pattern) for pattern in release_of("uos20").system.media)


def test_no_medium_of_one_release_passes_for_another():
    samples = {
        "rocky8": ("Rocky Linux", "8.10"),
        "rocky10": ("Rocky Linux", "10.1"),
        "almalinux9": ("AlmaLinux", "9.6"),
    }
    for name, (family, version) in samples.items():
        matching = [
            other.system.name
            for other in RELEASES
            if other.system.identity.family
            and re.match(other.system.identity.family, family)
            and re.match(other.system.identity.version, version)
        ]
        assert matching == [name]
