"""os-release(5) of real systems, and what imgpipe takes each for. The fields are theirs; addresses are left out."""

from __future__ import annotations

from typing import NamedTuple


class OsRelease(NamedTuple):
    """The text of a file, and the family and release that it stands for; `deb` where the system has no rpm."""

    text: str
    family: str
    release: str
    deb: bool = False


def _el(ident: str, version: str, platform: str, like: str = "rhel centos fedora") -> str:
    like_line = f'ID_LIKE="{like}"\n' if like else ""
    return f'NAME="{ident}"\nID="{ident}"\n{like_line}VERSION_ID="{version}"\nPLATFORM_ID="platform:{platform}"\n'


def _openeuler(version: str, pack: str) -> OsRelease:
    text = f'NAME="openEuler"\nVERSION="{version} ({pack})"\nID="openEuler"\nVERSION_ID="{version}"\n'
    return OsRelease(text, "openeuler", version)


def _kylin(codename: str, more: str = "") -> OsRelease:
    """Kylin V10: SP1 is Tercel, SP2 Sword, SP3 Lance and from its build of 2403 on Halberd."""
    name = 'NAME="Kylin Linux Advanced Server"\n'
    text = f'{name}VERSION="V10 ({codename})"\nID="kylin"\n{more}VERSION_ID="V10"\n'
    return OsRelease(text, "openeuler", "V10")


def _uos(codename: str, platform: str, family: str, release: str, ident: str = "uos") -> OsRelease:
    """UOS Server 20, 1050 to 1070: the edition decides, and neither the version nor the name tells it."""
    name = 'PRETTY_NAME="UOS Server 20"\nNAME="UOS Server 20"\nVERSION_ID="20"\nVERSION="20"\n'
    text = f'{name}ID={ident}\nVERSION_CODENAME={codename}\nPLATFORM_ID="platform:{platform}"\n'
    return OsRelease(text, family, release)


OS_RELEASES = {
    "debian 12": OsRelease('ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n', "debian", "12", deb=True),
    "debian 13": OsRelease('ID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n', "debian", "13", deb=True),
    "ubuntu 22.04": OsRelease(
        'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nVERSION_CODENAME=jammy\n', "ubuntu", "22.04", deb=True
    ),
    "ubuntu 24.04": OsRelease(
        'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', "ubuntu", "24.04", deb=True
    ),
    "mint 22": OsRelease('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="22"\n', "ubuntu", "22", deb=True),
    "rocky 8": OsRelease(_el("rocky", "8.10", "el8"), "el", "8"),
    "rocky 9": OsRelease(_el("rocky", "9.7", "el9"), "el", "9"),
    "rocky 10": OsRelease(_el("rocky", "10.1", "el10"), "el", "10"),
    "alma 8": OsRelease(_el("almalinux", "8.10", "el8"), "el", "8"),
    "alma 9": OsRelease(_el("almalinux", "9.7", "el9"), "el", "9"),
    "alma 10": OsRelease(_el("almalinux", "10.1", "el10"), "el", "10"),
    "stream 8": OsRelease(_el("centos", "8", "el8", "rhel fedora"), "el", "8"),
    "stream 9": OsRelease(_el("centos", "9", "el9", "rhel fedora"), "el", "9"),
    "stream 10": OsRelease(_el("centos", "10", "el10", "rhel fedora"), "el", "10"),
    "rhel 8": OsRelease(_el("rhel", "8.10", "el8", "fedora"), "el", "8"),
    "rhel 9": OsRelease(_el("rhel", "9.7", "el9", "fedora"), "el", "9"),
    "rhel 10": OsRelease(_el("rhel", "10.1", "el10", "centos fedora"), "el", "10"),
    "oracle 9": OsRelease(_el("ol", "9.3", "el9", "fedora"), "el", "9"),
    "anolis 8": OsRelease(_el("anolis", "8.8", "an8", "rhel fedora centos"), "el", "8"),
    "anolis 23": OsRelease(_el("anolis", "23", "an23", ""), "openeuler", "23"),
    "anolis 23.1": OsRelease(_el("anolis", "23.1", "an23", ""), "openeuler", "23"),
    "alibaba 3": OsRelease(_el("alinux", "3", "al8", "rhel fedora centos anolis"), "el", "8"),
    "alibaba 4": OsRelease(_el("alinux", "4", "alnx4", "anolis"), "openeuler", "4"),
    "opencloudos 8.5": OsRelease(_el("opencloudos", "8.5", "oc8", "rhel fedora centos"), "el", "8"),
    "opencloudos 8": OsRelease(_el("opencloudos", "8.6", "oc8", "rhel fedora"), "el", "8"),
    "opencloudos 8, written large": OsRelease(_el("OpenCloudOS", "8.6", "oc8", "rhel fedora"), "el", "8"),
    "opencloudos 9": OsRelease(_el("opencloudos", "9.0", "oc9.0", "opencloudos"), "openeuler", "9"),
    "opencloudos 9.2": OsRelease(_el("opencloudos", "9.2", "oc9", "opencloudos"), "openeuler", "9"),
    "openeuler 22.03": _openeuler("22.03", "LTS-SP4"),
    "openeuler 24.03": _openeuler("24.03", "LTS"),
    "openeuler 24.03 sp1": _openeuler("24.03", "LTS-SP1"),
    "openeuler 24.03 sp2": _openeuler("24.03", "LTS-SP2"),
    "openeuler 24.03 sp3": _openeuler("24.03", "LTS-SP3"),
    "openeuler 24.03 sp4": _openeuler("24.03", "LTS-SP4"),
    "kylin v10 sp1": _kylin("Tercel"),
    "kylin v10 sp2": _kylin("Sword"),
    "kylin v10": _kylin("Lance"),
    "kylin v10 sp3 2403": _kylin("Halberd"),
    "kylin v10, like fedora": _kylin("Azalea", 'ID_LIKE="fedora"\nVARIANT="Server"\nVARIANT_ID="server"\n'),
    "kylin desktop": OsRelease('ID=kylin\nID_LIKE=debian\nVERSION_ID="v10"\n', "unknown", "v10", deb=True),
    "uos 20": _uos("kongzi", "uelc20", "el", "8"),
    "uos 20, with quotes": _uos('"kongzi"', "uelc20", "el", "8", ident='"uos"'),
    "uos 20 e": _uos("fuyu", "uel20", "openeuler", "20"),
    "uos desktop": OsRelease('ID=uos\nVERSION_ID="20"\nVERSION_CODENAME=eagle\n', "unknown", "20", deb=True),
    "arch": OsRelease("ID=arch\nBUILD_ID=rolling\n", "unknown", "", deb=True),
}
