from dataclasses import replace

import pytest

from imgpipe.errors import HostError, RecipeError
from imgpipe.media.identify import MediumFacts, identify, mismatches
from imgpipe.os_family import MediumIdentity, System

STAND_IN_TREE = "[general]\nfamily = imgpipe stand-in\nversion = 1\narch = x86_64\n"


def test_treeinfo_says_family_version_kernel_and_initrd(rocky_iso, rocky):
    facts = identify(rocky_iso)
    assert facts == MediumFacts(
        title="Rocky Linux 9.6",
        volume_id="Rocky 9.6",
        family="Rocky Linux",
        version="9.6",
        arch="x86_64",
        kernel="images/pxeboot/vmlinuz",
        initrd="images/pxeboot/initrd.img",
    )
    assert mismatches(facts, rocky) == ()


def test_disk_info_says_what_a_debian_medium_is(make_iso):
    line = 'Debian GNU/Linux 13.1.0 "Trixie" - Official amd64 NETINST with firmware 20250906-10:22'
    facts = identify(make_iso("debian.iso", {".disk/info": line + "\n"}, "Debian 13.1.0"))
    assert (facts.title, facts.disk_info, facts.arch, facts.family) == (line, line, "x86_64", "")
    debian = System(
        name="debian13", title="Debian 13", memory=1, identity=MediumIdentity(disk_info="Debian GNU/Linux 13")
    )
    assert mismatches(facts, debian) == ()


def test_discinfo_gives_the_architecture_where_treeinfo_does_not(make_iso):
    facts = identify(make_iso("x.iso", {".discinfo": "1.0\n\naarch64\n"}, "openEuler"))
    assert (facts.arch, facts.title) == ("aarch64", "openEuler")


def test_a_medium_without_files_is_judged_by_its_volume_id(make_iso, rocky):
    assert mismatches(identify(make_iso("a.iso", {"x": ""}, "Rocky-9-4-dvd")), rocky) == ()
    (fault,) = mismatches(identify(make_iso("b.iso", {"x": ""}, "Alma-9-4-dvd")), rocky)
    assert fault == "its volume id is 'Alma-9-4-dvd', wanted is 'Rocky-9'"


def test_a_volume_id_does_not_count_against_a_medium_whose_family_is_right(rocky_iso, rocky):
    assert "Rocky-9" not in identify(rocky_iso).volume_id
    assert mismatches(identify(rocky_iso), rocky) == ()


def test_all_mismatches_are_told_at_once(rocky):
    facts = MediumFacts(title="x", volume_id="x", family="AlmaLinux", version="8.10", arch="aarch64")
    assert mismatches(facts, rocky) == (
        "its architecture is 'aarch64', wanted is 'x86_64'",
        "its family is 'AlmaLinux', wanted is 'Rocky Linux'",
        r"its version is '8.10', wanted is '9\b'",
    )


def test_a_medium_that_says_nothing_is_refused_where_something_is_asked(rocky):
    wanted = replace(rocky, identity=MediumIdentity(family="Rocky Linux"))
    assert mismatches(MediumFacts(title="x", volume_id="x"), wanted) == (
        "it has no '.treeinfo' that would say what it is",
    )


def test_a_system_without_an_identity_takes_any_medium_of_its_architecture(rocky):
    anything = replace(rocky, identity=MediumIdentity())
    assert mismatches(MediumFacts(title="x", volume_id="x"), anything) == ()


def test_a_stand_in_is_taken_only_where_that_is_allowed(make_iso, rocky):
    facts = identify(make_iso("standin.iso", {".treeinfo": STAND_IN_TREE}))
    assert facts.stand_in_for == "kickstart"
    assert mismatches(facts, rocky) != ()
    assert mismatches(facts, rocky, allow_stand_in=True) == ()


def test_a_stand_in_of_another_architecture_is_never_taken(make_iso, rocky):
    facts = identify(make_iso("standin.iso", {".treeinfo": STAND_IN_TREE.replace("x86_64", "aarch64")}))
    assert len(mismatches(facts, rocky, allow_stand_in=True)) == 1


def test_control_characters_and_length_of_what_a_medium_says_are_bounded(make_iso):
    facts = identify(make_iso("evil.iso", {".disk/info": "\x1b[2JDebian\x07 " + "x" * 5000}))
    assert facts.title.startswith("[2JDebian x")
    assert len(facts.title) == 200


@pytest.mark.parametrize(
    "text", ["no section at all", "[general\n", "[general]\nfamily\n", "\0\xff[", "%(x)s\n[a]\nb=%(c)s"]
)
def test_a_broken_treeinfo_is_as_good_as_none(make_iso, text):
    assert identify(make_iso("x.iso", {".treeinfo": text}, "VOL")).family == ""


def test_a_treeinfo_of_many_megabytes_is_refused(make_iso):
    with pytest.raises(RecipeError, match="larger than 1 MiB"):
        identify(make_iso("x.iso", {".treeinfo": "#" * (2**20 + 1)}))


def test_a_file_that_is_no_iso_is_refused(media):
    (media / "x.iso").write_bytes(b"QFI\xfb" * 20000)
    with pytest.raises(RecipeError, match="not an ISO 9660 medium"):
        identify(media / "x.iso")


def test_a_missing_medium_is_the_host_s_error(media):
    with pytest.raises(HostError, match="cannot be read"):
        identify(media / "none.iso")
