"""The definition of an installer's machine may carry what its boot arguments say, and is its owner's alone."""

import os

from imgpipe.stages.install import _write_private


def test_a_definition_is_its_owners_alone_whatever_was_there_and_whatever_the_umask(tmp_path):
    path = tmp_path / "domain.xml"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        _write_private(path, "<domain/>")
    finally:
        os.umask(before)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("<domain/>", 0o600)
