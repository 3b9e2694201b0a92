import io
import json
from pathlib import PurePosixPath

import pycdlib
import pytest

from imgpipe.errors import RecipeError
from imgpipe.media.listing import COLUMNS, check_medium, find_file, list_media
from imgpipe.os_family import OsFamily
from imgpipe.recipe import MediumSource
from windows_media import EDITIONS, wim, wim_xml

# As lorax and productmd write it for the vendors' DVDs.
TREE = """[general]
; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.
; WARNING.1 = Read productmd documentation for details about new format.
arch = x86_64
family = {family}
name = {name}
packagedir = {variant}/Packages
platforms = x86_64,xen
repository = {variant}
timestamp = 1732000000
variant = {variant}
version = {version}

[header]
type = productmd.treeinfo
version = 1.2

[images-x86_64]
efiboot.img = images/efiboot.img
initrd = images/pxeboot/initrd.img
kernel = images/pxeboot/vmlinuz

[release]
name = {family}
short = {family}
version = {version}
"""
EI = "[EditionID]\r\n\r\n[Channel]\r\n{}\r\n[VL]\r\n1\r\n"


def tree(family, version, variant="BaseOS", name=None):
    said = TREE.format(family=family, version=version, variant=variant, name=name or f"{family} {version}")
    return {".treeinfo": said, ".discinfo": f"1732000000.000000\n{family} {version}\nx86_64\n"}


def debian(version, code, kind="NETINST with firmware"):
    return {".disk/info": f'Debian GNU/Linux {version} "{code}" - Official amd64 {kind} 20250906-10:22'}


def ubuntu(version, words):
    return {".disk/info": f'Ubuntu-Server {version} LTS "{words}" - Release amd64 (20250215)'}


# What a medium is called and has, then what is said of it and which systems take it.
REAL = [
    ("Rocky-9.7-x86_64-dvd.iso", "Rocky-9-7-x86_64-dvd", tree("Rocky Linux", "9.7"), "Rocky Linux 9.7", "rocky9"),
    (
        "Rocky-9.7-x86_64-minimal.iso",
        "Rocky-9-7-x86_64-dvd",
        tree("Rocky Linux Minimal", "9.7", "Minimal"),
        "Rocky Linux Minimal 9.7",
        "rocky9",
    ),
    ("al.iso", "AlmaLinux-10-1-x86_64-dvd", tree("AlmaLinux", "10.1"), "AlmaLinux 10.1", "almalinux10"),
    (
        "s.iso",
        "CentOS-Stream-9-BaseOS-x86_64",
        tree("CentOS Stream", "9", name="CentOS Stream 9"),
        "CentOS Stream 9",
        "centos-stream9",
    ),
    (
        "e.iso",
        "openEuler-24.03-LTS-SP4-x86_64",
        tree("openEuler", "24.03-LTS-SP4", "Server", "openEuler-24.03-LTS-SP4")
        | {".discinfo": "1732000000.000000\n\nx86_64\n"},
        "openEuler-24.03-LTS-SP4",
        "openeuler24.03",
    ),
    (
        "k.iso",
        "Kylin-Server-10",
        tree("Kylin Linux Advanced Server", "V10", "Server", "Kylin Linux Advanced Server-V10"),
        "Kylin Linux Advanced Server-V10",
        "kylin10",
    ),
    (
        "d.iso",
        "Debian 13.1.0 amd64 n",
        debian("13.1.0", "Trixie"),
        'Debian GNU/Linux 13.1.0 "Trixie" - Official amd64 NETINST with firmware 20250906-10:22',
        "debian13",
    ),
    (
        "u.iso",
        "Ubuntu-Server 24.04.2 LTS amd64",
        ubuntu("24.04.2", "Noble Numbat"),
        'Ubuntu-Server 24.04.2 LTS "Noble Numbat" - Release amd64 (20250215)',
        "ubuntu24.04",
    ),
    (
        "w.iso",
        "SSS_X64FREV_EN-US_DV9",
        {"sources/install.wim": wim(wim_xml()), "sources/ei.cfg": EI.format("Volume"), "setup.exe": "MZ"},
        "Windows Server 2016, build 14393, zh-CN, 2 editions, for volume licences",
        "win2016",
    ),
    (
        "11.iso",
        "CCCOMA_X64FRE_EN-US_DV9",
        {
            "sources/install.wim": wim(
                wim_xml(("Windows 11 Pro",), VERSION_BUILD="26100", PRODUCTTYPE="WinNT", LANGUAGES_LANGUAGE="en-US")
            ),
            "sources/ei.cfg": EI.format("Retail"),
        },
        "Windows 11, build 26100, en-US, 1 edition, retail",
        "win11",
    ),
    (
        "uniontechos-server-20-1070a-amd64.iso",
        "uos",
        {".discinfo": "1732000000.0\nUnionTech OS Server 20\nx86_64\n"},
        "UnionTech OS Server 20",
        "uos20",
    ),
    ("fedora.iso", "Fedora-S-dvd-x86_64-42", tree("Fedora", "42", "Server"), "Fedora 42", ""),
    ("data.iso", "MY_DATA", {"notes": "text"}, "MY_DATA", ""),
]


def write_medium(path, volume_id, files):
    """Write a medium as the vendors' tools do, with Rock Ridge names; not by imgpipe's own writer."""
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, rock_ridge="1.09", vol_ident=volume_id)
    native = {PurePosixPath("."): ""}
    for number, (name, text) in enumerate(files.items()):
        for folder in reversed(PurePosixPath(name).parents[:-1]):
            if folder not in native:
                native[folder] = f"{native[folder.parent]}/D{number}"
                disc.add_directory(native[folder], rr_name=folder.name)
        data = text if isinstance(text, bytes) else text.encode()
        place = native[PurePosixPath(name).parent]
        disc.add_fp(io.BytesIO(data), len(data), f"{place}/F{number}.;1", rr_name=PurePosixPath(name).name)
    disc.write(str(path))
    disc.close()


def family(*systems, **more):
    return OsFamily(name="x", answer_kind="kickstart", systems=systems, prepare=None, lint=lambda *_: (), **more)


def test_every_iso_of_the_folders_is_a_row_and_a_broken_one_says_why(rocky_iso, rocky, media, store):
    (media / "broken.iso").write_bytes(b"x" * 100)
    (media / "notes.txt").touch()
    whole, broken = list_media((media,), store, (family(rocky),))
    assert (whole.path, whole.systems, whole.title) == (rocky_iso, ("rocky9",), "Rocky Linux 9.6")
    assert "not an ISO 9660 medium" in broken.trouble
    assert len(whole.cells()) == len(COLUMNS)
    assert json.loads(json.dumps(whole.as_json()))["systems"] == ["rocky9"]


@pytest.mark.parametrize("medium", REAL, ids=[one[0] for one in REAL])
def test_each_medium_is_said_to_be_what_it_is_and_no_system_takes_another_one(media, store, plugins, medium):
    name, volume_id, files, said, system = medium
    write_medium(media / name, volume_id, files)
    (row,) = list_media((media,), store, plugins.families)
    assert (row.title, row.systems) == (said, (system,) if system else ())


def test_a_windows_that_nobody_installs_and_images_that_cannot_be_read_are_told(media, store, plugins):
    old = wim(wim_xml(EDITIONS[:1], VERSION_BUILD="6003"))
    write_medium(media / "a.iso", "WS08", {"sources/install.wim": old})
    write_medium(media / "b.iso", "BAD", {"sources/install.wim": b"no wim"})
    old, bad = list_media((media,), store, plugins.families)
    assert (old.title, old.systems) == ("a Windows that imgpipe does not install, build 6003, zh-CN, 1 edition", ())
    assert (bad.title, bad.systems) == ("Windows, whose images cannot be read", ())


def test_checking_a_medium_reads_and_compares_its_digest(rocky_iso, rocky, store, events):
    families = (family(rocky),)
    row = check_medium(rocky_iso, MediumSource(), store, families, events.append)
    assert (len(row.sha256), row.title) == (64, "Rocky Linux 9.6")
    assert not row.verified
    again = check_medium(rocky_iso, MediumSource(sha256=row.sha256), store, families, events.append)
    assert again.verified
    with pytest.raises(RecipeError, match="digest differs"):
        check_medium(rocky_iso, MediumSource(sha256="0" * 64), store, families, events.append)


def test_a_name_is_looked_for_where_builds_look_and_in_their_order(rocky_iso, media, store, monkeypatch, tmp_path):
    assert find_file(rocky_iso.name, (media,), store) == rocky_iso
    assert find_file("rocky-9*", (media,), store) == rocky_iso
    assert find_file(str(rocky_iso), (), store) == rocky_iso
    first = tmp_path / "first"
    first.mkdir()
    (first / rocky_iso.name).write_bytes(rocky_iso.read_bytes())
    monkeypatch.setenv("IMGPIPE_MEDIA", str(first))
    assert find_file(rocky_iso.name, (media,), store) == first / rocky_iso.name
    families = (family(),)
    assert [row.path.parent for row in list_media((media,), store, families)] == [first, media]


@pytest.mark.parametrize("name", ["Rocky-9.6-x86_64-minimal.is", "nowhere/Rocky-9.6-x86_64-minimal.iso"])
def test_a_name_that_is_not_there_is_told_with_the_nearest_and_where_it_was_looked_for(rocky_iso, media, store, name):
    with pytest.raises(RecipeError, match=f"There is no medium '{name}'") as caught:
        find_file(name, (media,), store)
    assert caught.value.hint.startswith(f"Did you mean '{rocky_iso.name}'? ")
    assert "'imgpipe media list'" in caught.value.hint


def test_a_url_is_not_checked(store):
    with pytest.raises(RecipeError, match="Only a medium that is here"):
        find_file("https://a.example/x.iso", (), store)
