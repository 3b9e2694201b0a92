"""What `imgpipe clone` is asked for, and what is wrong with it."""

import pytest

from imgpipe.deploy.clone_flags import CloneFlags, order_of
from imgpipe.errors import RecipeError

RULE = "a name has lower-case letters, digits and '-' between them, at most 63, no '_' and no '.'"


def test_all_that_is_wrong_is_told_at_once_and_in_no_words_of_pythons(tmp_path):
    flags = CloneFlags(
        names=("web_1", "ok"),
        addresses=("10.0.0.1",),
        gateway="10.0.0",
        dns=("x",),
        keys=(tmp_path / "nope.pub",),
    )
    with pytest.raises(RecipeError) as caught:
        order_of(flags)
    assert sorted(caught.value.details) == sorted(
        (
            f"'web_1': {RULE}",
            "--addresses '10.0.0.1': needs the network's prefix, such as '10.100.1.10-10.100.1.59/24'",
            "--gateway '10.0.0': must be an IPv4 address, such as '10.100.1.10'",
            "--dns 'x': must be an IPv4 address, such as '10.100.1.10'",
            f"--key-file '{tmp_path}/nope.pub': cannot be read: No such file or directory",
        )
    )
