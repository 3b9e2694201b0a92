import pytest

from imgpipe.errors import HostError
from imgpipe_demo import mirror

DEB822 = """\
Types: deb deb-src
URIs: http://mirror.test/debian
 http://other.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
# a comment
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main
"""


def test_the_environment_comes_first(tmp_path):
    assert mirror.find_mirror(tmp_path, {"IMGPIPE_DEBIAN_MIRROR": "http://mine.test/d"}) == "http://mine.test/d"


def test_a_deb822_file_names_the_mirror(tmp_path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text(DEB822)
    assert mirror.find_mirror(tmp_path, {}) == "http://mirror.test/debian"


def test_a_one_line_file_names_the_mirror(tmp_path):
    (tmp_path / "sources.list").write_text(
        "# deb http://commented.test/debian trixie main\n"
        "deb-src http://source.test/debian trixie main\n"
        "deb [arch=amd64 signed-by=/a.gpg] https://mirror.test/debian trixie main contrib # why\n"
    )
    assert mirror.find_mirror(tmp_path, {}) == "https://mirror.test/debian"


@pytest.mark.parametrize(
    "line",
    [
        "deb http://security.test/debian-security trixie-security main",
        "deb http://tools.test/apt cloud-sdk main",
        "deb http://archive.test/ubuntu noble main universe",
        "deb http://mirror.test/debian trixie contrib",
        "deb cdrom:[Debian]/ trixie main",
        "",
    ],
)
def test_what_is_not_the_debian_archive_is_passed_over(tmp_path, line):
    (tmp_path / "sources.list").write_text(line + "\n")
    with pytest.raises(HostError) as caught:
        mirror.find_mirror(tmp_path, {})
    assert "IMGPIPE_DEBIAN_MIRROR" in caught.value.hint


def test_a_switched_off_source_is_passed_over(tmp_path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text("Enabled: no\n" + DEB822.split("\n\n", maxsplit=1)[0])
    with pytest.raises(HostError):
        mirror.find_mirror(tmp_path, {})


def test_a_host_without_apt_is_told_what_to_do(tmp_path):
    with pytest.raises(HostError):
        mirror.find_mirror(tmp_path / "nothing", {})
