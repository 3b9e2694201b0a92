"""The host's mirror is found in both syntaxes of apt, and nothing else is taken for one."""

import pytest

from imgpipe.errors import HostError
from imgpipe.host import debian_mirror as mirror

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


def etc(tmp_path, **files):
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (tmp_path / "sources.list.d" / f"{stem}.{suffix}").write_text(text)
    return tmp_path


def test_a_deb822_file_names_the_mirror(tmp_path):
    found = mirror.of_host(etc(tmp_path, debian_sources=DEB822), {})
    assert (found.protocol, found.host, found.directory) == ("http", "mirror.example", "/debian")
    assert found.url == "http://mirror.example/debian"


def test_a_one_line_file_names_the_mirror(tmp_path):
    text = "deb-src http://a.example/debian trixie main\ndeb [lang=en] https://b.example/d/ trixie main\n"
    assert mirror.of_host(etc(tmp_path, debian_list=text), {}).url == "https://b.example/d"


@pytest.mark.parametrize(
    "text",
    [
        "deb http://archive.example/ubuntu noble main\n",
        "deb http://security.example/debian-security trixie-security main\n",
        "deb cdrom:[Debian] trixie main\n",
        "# deb http://mirror.example/debian trixie main\n",
        "deb-src http://mirror.example/debian trixie main\n",
    ],
)
def test_other_sources_are_not_a_debian_mirror(tmp_path, text):
    with pytest.raises(HostError, match="no Debian mirror"):
        mirror.of_host(etc(tmp_path, other_list=text), {})


def test_a_disabled_source_is_not_used(tmp_path):
    with pytest.raises(HostError) as error:
        mirror.of_host(etc(tmp_path, debian_sources="Enabled: no\n" + DEB822.partition("\n\n")[0]), {})
    assert mirror.VARIABLE in error.value.hint


def test_files_of_other_names_are_not_read(tmp_path):
    with pytest.raises(HostError):
        mirror.of_host(etc(tmp_path, **{"debian_sources.save": DEB822}), {})


def test_the_environment_wins(tmp_path):
    chosen = {mirror.VARIABLE: "http://127.0.0.1:3142/debian/"}
    assert mirror.of_host(etc(tmp_path, debian_sources=DEB822), chosen).url == "http://127.0.0.1:3142/debian"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/debian",
        "http://",
        "mirror",
        "http://a b/debian",
        "http://a/x?y",
        "http://u:p@a/d",
        "http://a/\nd",
    ],
)
def test_what_the_installer_could_not_use_is_refused(url):
    with pytest.raises(HostError):
        mirror.parse(url)
