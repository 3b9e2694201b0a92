"""docs/recipes.md has every key of a recipe, with its default, and no other; its example is a recipe."""

import re

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from imgpipe.model_faults import _tables_of
from imgpipe.recipe import Recipe, SecretSource
from imgpipe.recipe_files import read_recipe
from imgpipe.settings import checkout
from imgpipe.sizes import Size, exact_bytes

TEXT = (checkout() / "docs" / "recipes.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([a-z0-9_.]+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def keys(kind, place=""):
    """Yield every key that holds a value, with its default as the page writes it."""
    for name, field in kind.model_fields.items():
        inner = [table for table in _tables_of(field.annotation) if table is not SecretSource]
        if inner:
            yield from keys(inner[0], f"{place}{name}.")
        elif field.annotation != dict[str, object] and f"{place}{name}" not in {"name", "options"}:
            yield f"{place}{name}", written(field)


def written(field):
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "-"
    if Size in field.metadata:
        return f'`"{exact_bytes(value)}"`'
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{[] if value == () else value}`"


def expected(plugins):
    # The further media's keys are those of the first.
    found = {key: default for key, default in keys(Recipe) if not key.startswith("media.")}
    for family in plugins.families:
        assert issubclass(family.options, BaseModel)
        found |= dict(keys(family.options, "options."))
    return found


def test_every_key_is_on_the_page_with_its_default_and_no_other_is(plugins):
    assert {key: default for key, default, _ in ROW.findall(TEXT)} == expected(plugins)


def test_no_key_is_told_twice():
    told = [key for key, _, _ in ROW.findall(TEXT)]
    assert sorted(told) == sorted(set(told))


def test_the_example_is_a_recipe(tmp_path):
    path = tmp_path / "shop-web.toml"
    path.write_text(TEXT.partition("```toml\n")[2].partition("```")[0])
    recipe = read_recipe(path, path.stem)
    assert (recipe.name, recipe.os, recipe.machine.cpus) == ("shop-web", "rocky9", 4)


@pytest.mark.parametrize(
    "folder", ["/etc/imgpipe/recipes", "/var/lib/libvirt/images", "/var/lib/libvirt/isos", "IMGPIPE_MEDIA"]
)
def test_the_folders_that_files_are_looked_for_in_are_named(folder):
    assert f"`{folder}`" in TEXT


def test_lines_are_short_outside_of_tables():
    assert max(len(line) for line in TEXT.splitlines() if not line.startswith("|")) <= 132
