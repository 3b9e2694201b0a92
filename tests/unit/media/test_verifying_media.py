"""A medium has every digest that is expected of it, not only the first."""

import hashlib

import pytest

from imgpipe.errors import RecipeError
from imgpipe.media.checksums import Checksum
from imgpipe.media.verify import verify
from imgpipe.store import Store

CONTENT = b"a medium"


@pytest.mark.parametrize("wrong", [0, 1])
def test_each_expected_digest_is_compared(tmp_path, wrong):
    path = tmp_path / "a.iso"
    path.write_bytes(CONTENT)
    right = [
        Checksum(name="a.iso", algorithm=name, digest=hashlib.new(name, CONTENT).hexdigest())
        for name in ("sha256", "sha512")
    ]
    verify(path, tuple(right), Store(tmp_path / "data"), lambda _: None)
    right[wrong] = Checksum(name="a.iso", algorithm=right[wrong].algorithm, digest="0" * len(right[wrong].digest))
    with pytest.raises(RecipeError, match=f"its {right[wrong].algorithm} digest differs"):
        verify(path, tuple(right), Store(tmp_path / "data"), lambda _: None)
