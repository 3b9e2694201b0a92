"""Files that a person names: nothing but regular ones is waited for, and none is read without bound."""

import os
import stat
from itertools import pairwise

import pytest
import typer

from imgpipe import named_files
from imgpipe.adapters.download import fetch_small
from imgpipe.adapters.iso import open_iso
from imgpipe.cli import lint as lint_command
from imgpipe.deploy.clone_flags import CloneFlags, order_of
from imgpipe.deploy.fleet_files import Flags, fleet_of_flags, read_fleet
from imgpipe.errors import HostError, ImgpipeError, RecipeError
from imgpipe.host.network import wanted
from imgpipe.media import signature
from imgpipe.recipe_files import read_recipe


@pytest.fixture(params=["a FIFO", "a socket", "a device", "a link to a FIFO"])
def odd(request, tmp_path):
    """A name of what is no regular file; to open the first would wait until somebody writes."""
    import socket

    path = tmp_path / "odd.toml"
    if request.param == "a socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
        return path
    if request.param == "a device":
        path.symlink_to("/dev/zero")
        return path
    os.mkfifo(tmp_path / "fifo")
    path.symlink_to("fifo")
    return tmp_path / "fifo" if request.param == "a FIFO" else path


def test_only_regular_files_are_opened(odd):
    with pytest.raises(OSError, match="no regular file"):
        named_files.open_regular(odd)


def test_what_becomes_something_else_before_it_is_opened_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "text"
    path.write_text("x")
    really_open = os.open

    def slow(name, flags):
        path.unlink()
        os.mkfifo(path)
        return really_open(name, flags)

    monkeypatch.setattr(os, "open", slow)
    with pytest.raises(OSError, match="no regular file"):
        named_files.open_regular(path)


def test_a_block_device_is_read_only_where_a_machine_may_have_it_as_its_disk(tmp_path):
    # To open one may make it, so that only its mode is shown.
    with pytest.raises(OSError, match="no regular file"):
        named_files._require_regular(stat.S_IFBLK | 0o600, tmp_path, or_block_device=False)
    named_files._require_regular(stat.S_IFBLK | 0o600, tmp_path, or_block_device=True)
    with pytest.raises(OSError, match="no regular file"):
        named_files._require_regular(stat.S_IFCHR | 0o600, tmp_path, or_block_device=True)


@pytest.mark.parametrize(
    "read",
    [
        lambda path: read_recipe(path, "odd"),
        read_fleet,
        wanted.read,
        lambda path: fetch_small(str(path)),
        signature._dearmoured,
        lambda path: order_of(CloneFlags(names=["web"], keys=[path])),
        lambda path: fleet_of_flags(Flags(template="rocky9", name="web", key_files=(str(path),))),
        lambda path: lint_command.lint(path, system="rocky9"),
    ],
    ids=["recipe", "fleet", "host file", "checksums", "keyring", "clone's key", "fleet's key", "lint"],
)
def test_every_named_file_is_refused_with_a_sentence(odd, read):
    with pytest.raises(ImgpipeError):
        read(odd)


def test_a_medium_that_is_no_file_is_refused(odd):
    with pytest.raises(HostError, match="no regular file"), open_iso(odd):
        pytest.fail("it was opened")


def test_a_text_is_bounded_and_a_link_to_it_is_fine(tmp_path):
    (tmp_path / "text").write_text("a\r\nb\n")
    (tmp_path / "link").symlink_to("text")
    assert named_files.read_text(tmp_path / "link") == "a\nb\n"
    os.truncate(tmp_path / "text", 200 * 2**20)
    with pytest.raises(OSError, match="larger than 1024 KiB"):
        named_files.read_text(tmp_path / "text")
    with pytest.raises(RecipeError, match="larger than"):
        read_recipe(tmp_path / "text", "text")


@pytest.mark.parametrize("system", ["win2022", "rocky9", "debian12", "ubuntu24.04"])
def test_a_large_file_is_linted_by_no_family(tmp_path, system):
    path = tmp_path / "answers"
    path.touch()
    os.truncate(path, 200 * 2**20)
    with pytest.raises(RecipeError, match="larger than"):
        lint_command.lint(path, system=system)


def test_entities_of_entities_are_not_expanded(tmp_path, capsys):
    names = "abcdefghij"
    entities = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in pairwise(names))
    path = tmp_path / "autounattend.xml"
    path.write_text(f'<!DOCTYPE x [<!ENTITY a "{"a" * 100}">{entities}]><unattend>&j;</unattend>')
    with pytest.raises(typer.Exit):
        lint_command.lint(path, system="win2022")
    assert "a document type has no place here" in capsys.readouterr().out
    path.write_text("<a>" * 100_000)
    with pytest.raises(typer.Exit):
        lint_command.lint(path, system="win2022")
    assert "nested too deeply" in capsys.readouterr().out
