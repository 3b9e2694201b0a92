"""`imgpipe recipes list`: in people's order, and what is wrong with a file instead of its summary."""

import json

from typer.testing import CliRunner

from imgpipe.cli import context, recipes
from imgpipe.recipe_files import RecipeFolders


def test_recipes_are_listed_as_people_count_and_a_broken_one_says_why(tmp_path, monkeypatch):
    for name in ("rocky10", "rocky9", "rocky9-lvm"):
        (tmp_path / f"{name}.toml").write_text('os = "rocky9"\n')
    (tmp_path / "torn.toml").write_text("os = rocky9\n")
    (tmp_path / "wrong.toml").write_text("cpu = 1\n")
    monkeypatch.setattr(context, "recipe_folders", lambda: RecipeFolders((tmp_path,)))
    told = json.loads(CliRunner().invoke(recipes.app, ["list", "--json"]).stdout)
    assert [row["recipe"] for row in told] == ["rocky9", "rocky9-lvm", "rocky10", "torn", "wrong"]
    assert "it is no TOML: what stands behind '='" in told[3]["summary"]
    assert "did you mean 'machine.cpus'?" in told[4]["summary"]
