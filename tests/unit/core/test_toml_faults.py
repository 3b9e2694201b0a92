"""TOML files that are none, in words for people who write no parsers."""

import pytest

from imgpipe.errors import RecipeError
from imgpipe.toml_file import read_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("os = rocky9\n", "what stands behind '=' is no value (text needs quotes), line 1"),
        ("a = 1\na = 2\n", "a key stands there twice, line 2"),
        ("os\n", "'=' is missing behind a key, line 1"),
        ("a = 1 b = 2\n", "a line has more than one value, line 1"),
        ('os = "rocky9\n', "a quote is not closed, line 1"),
        ("a = [1\n", "a list is not closed, at its end"),
        ("a = {b = 1\n", "a '{' is not closed, line 1"),
        ("]\n", "a line is no 'key = value', line 1"),
    ],
)
def test_what_is_wrong_with_toml_is_told_with_the_line_and_how_it_is_written(tmp_path, text, said):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_toml(path, "Recipe 'x'")
    assert str(caught.value) == f"Recipe 'x' cannot be read: it is no TOML: {said}."
    assert 'os = "rocky9"' in caught.value.hint
