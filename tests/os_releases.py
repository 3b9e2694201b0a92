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
    "stream 9": OsRelease(_el("centos", "9", "el9", "rhel fedora"), "el", "9"),
    "stream 10": OsRelease(_el("centos", "10", "el10", "rhel fedora"), "el", "10"),
    "rhel 8": OsRelease(_el("rhel", "8.10", "el8", "fedora"), "el", "8"),
    "rhel 9": OsRelease(_el("rhel", "9.7", "el9", "fedora"), "el", "9"),
    "rhel 10": OsRelease(_el("rhel", "10.1", "el10", "centos fedora"), "el", "10"),
    "oracle 9": OsRelease(_el("ol", "9.3", "el9", "fedora"), "el", "9"),
    "anolis 8": OsRelease(_el("anolis", "8.8", "an8", "rhel fedora centos"), "el", "8"),
    "anolis 23": OsRelease(_el("anolis", "23.1", "an23", ""), "openeuler", "23"),
    "alibaba 3": OsRelease(_el("alinux", "3", "al8", "rhel fedora centos anolis"), "el", "8"),
    "opencloudos 8": OsRelease(_el("opencloudos", "8.6", "oc8", "rhel fedora"), "el", "8"),
    "opencloudos 8, written large": OsRelease(_el("OpenCloudOS", "8.6", "oc8", "rhel fedora"), "el", "8"),
    "opencloudos 9": OsRelease(_el("opencloudos", "9.0", "oc9.0", "opencloudos"), "openeuler", "9"),
    "openeuler 22.03": OsRelease(
        'NAME="openEuler"\nVERSION="22.03 (LTS-SP4)"\nID="openEuler"\nVERSION_ID="22.03"\n', "openeuler", "22.03"
    ),
    "openeuler 24.03": OsRelease(
        'NAME="openEuler"\nVERSION="24.03 (LTS-SP1)"\nID="openEuler"\nVERSION_ID="24.03"\n', "openeuler", "24.03"
    ),
    "kylin v10": OsRelease(
        'NAME="Kylin Linux Advanced Server"\nVERSION="V10 (Lance)"\nID="kylin"\nVERSION_ID="V10"\n', "openeuler", "V10"
    ),
    "kylin v10, like fedora": OsRelease('ID="kylin"\nID_LIKE="fedora"\nVERSION_ID="V10"\n', "openeuler", "V10"),
    "kylin desktop": OsRelease('ID=kylin\nID_LIKE=debian\nVERSION_ID="v10"\n', "unknown", "v10", deb=True),
    "uos 20": OsRelease(
        'NAME="UOS Server 20"\nVERSION_ID="20"\nID=uos\nVERSION_CODENAME=kongzi\nPLATFORM_ID="platform:uelc20"\n',
        "openeuler",
        "20",
    ),
    "uos desktop": OsRelease('ID=uos\nVERSION_ID="20"\nVERSION_CODENAME=eagle\n', "unknown", "20", deb=True),
    "arch": OsRelease("ID=arch\nBUILD_ID=rolling\n", "unknown", "", deb=True),
}
