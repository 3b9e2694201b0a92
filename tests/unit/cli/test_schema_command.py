"""`imgpipe recipes schema`: printed, or written where editors find it."""

import json

import pytest
from typer.testing import CliRunner

from imgpipe.cli import recipes
from imgpipe.errors import RecipeError
from imgpipe.plugins import Plugins
from imgpipe.toml_schemas import schema_files, text_of

FILES = {name: text_of(schema) for name, schema in schema_files(Plugins.load().families).items()}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path / "data"))
    return lambda *words: CliRunner().invoke(recipes.app, ["schema", *map(str, words)], catch_exceptions=False)


def test_that_of_recipes_is_printed(run):
    assert run().stdout == FILES["recipe.schema.json"]


def test_all_are_written_into_a_folder_and_named(run, tmp_path):
    written = run("--write", tmp_path).stdout.splitlines()
    assert written == [str(tmp_path / name) for name in FILES]
    assert {path.name: path.read_text() for path in tmp_path.glob("*.json")} == FILES


def test_older_ones_of_ours_are_written_anew(run, tmp_path):
    old = json.loads(FILES["recipe.schema.json"])
    (tmp_path / "recipe.schema.json").write_text(text_of({**old, "properties": {}}))
    run("--write", tmp_path)
    assert (tmp_path / "recipe.schema.json").read_text() == FILES["recipe.schema.json"]


@pytest.mark.parametrize("content", [b'{"type": "object"}\n', b"\xff"])
def test_a_strangers_file_stays_and_nothing_is_written(run, tmp_path, content):
    (tmp_path / "host.schema.json").write_bytes(content)
    with pytest.raises(RecipeError, match="not imgpipe's") as caught:
        run("--write", tmp_path)
    assert caught.value.details == (str(tmp_path / "host.schema.json"),)
    assert [path.name for path in tmp_path.glob("*.json")] == ["host.schema.json"]
    assert (tmp_path / "host.schema.json").read_bytes() == content


def test_a_folder_that_is_not_there_is_not_made(run, tmp_path):
    with pytest.raises(RecipeError, match="no folder"):
        run("--write", tmp_path / "none")
    assert not (tmp_path / "none").exists()
