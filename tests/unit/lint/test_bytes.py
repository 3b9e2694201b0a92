"""An operator's answer file reaches the seed byte for byte, or is refused with the line that keeps it from it."""

import json
from pathlib import Path

import pytest
import typer

from imgpipe.cli import lint as lint_command
from imgpipe.cli import planned
from imgpipe.errors import RecipeError
from imgpipe.os_family import Account
from imgpipe.planning import Given, make_plan
from imgpipe.plugins import Plugins
from imgpipe.recipe import Recipe

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="module")
def loaded():
    return Plugins.load()


def recipe_of(path, os):
    return Recipe.model_validate(
        {"name": "image", "os": os, "machine": {"memory": "4 GiB"}, "install": {"answer_file": str(path)}}
    )


def seeded(loaded, path, os):
    """Return the main answer file that the seed would carry, as bytes."""
    recipe = recipe_of(path, os)
    account = Account(name="root", password_hash="$6$saltsalt$" + "h" * 86, password="Good-pass-1")
    given = Given(
        accounts={"root": account},
        own_answer_file=planned._own_answer_file(recipe),
        mirror="http://mirror.example/debian",
    )
    return make_plan(recipe, loaded, given).unattended.seed.files[0].text.encode()


@pytest.mark.parametrize(
    ("file", "os"),
    [
        ("kickstart/reboot.ks", "rocky9"),
        ("kickstart/post-with-quotes-and-documents.ks", "rocky9"),
        ("preseed/line-ends.cfg", "debian12"),
        ("autoinstall/line-ends.yaml", "ubuntu24.04"),
        ("unattend/line-ends-and-mark-of-windows.xml", "win2016"),
    ],
)
def test_what_was_written_is_what_the_seed_begins_with(loaded, file, os):
    data = (FILES / file).read_bytes()
    assert seeded(loaded, FILES / file, os).startswith(data)


@pytest.mark.parametrize("data", ["# 安装\n".encode("gbk"), "# x\n".encode("utf-16"), b"#\n\0\n"])
def test_what_is_no_text_in_utf_8_is_refused_with_its_line(loaded, tmp_path, data):
    path = tmp_path / "own.ks"
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=r"line [12]: .*UTF-8|line 2: There is a zero byte"):
        seeded(loaded, path, "rocky9")


def test_line_ends_of_windows_keep_a_kickstart_from_being_built(loaded, tmp_path):
    with pytest.raises(RecipeError) as caught:
        seeded(loaded, FILES / "kickstart/line-ends.ks", "rocky9")
    assert any("CRLF" in line for line in caught.value.details)


def test_json_says_the_fault_of_the_bytes_too(tmp_path, capsys):
    path = tmp_path / "own.ks"
    path.write_bytes(b"cmdline\n# \xb0\xb2\xd7\xb0\n")
    with pytest.raises(typer.Exit) as ended:
        lint_command.lint(path, system="rocky9", as_json=True)
    (fault,) = json.loads(capsys.readouterr().out)
    assert (ended.value.exit_code, fault["line"], fault["severity"]) == (2, 2, "error")
    assert "GBK" in fault["text"]
