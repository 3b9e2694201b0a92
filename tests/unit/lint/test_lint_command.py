"""`imgpipe lint` and files that cannot be read."""

import pytest

from imgpipe.cli.lint import lint
from imgpipe.errors import RecipeError


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("nope.cfg", "No such file or directory", "Name a file that is there."),
        ("ks.cgf", "No such file or directory", "Did you mean 'ks.cfg'?"),
        ("folder", "Is a directory", "Name a file that you may read; an answer file is plain text."),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence_with_what_to_do(tmp_path, monkeypatch, name, said, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ks.cfg").write_text("text\n")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RecipeError) as caught:
        lint(tmp_path.joinpath(name).relative_to(tmp_path), "rocky10")
    assert str(caught.value) == f"The answer file '{name}' cannot be read: {said}."
    assert caught.value.hint == hint
