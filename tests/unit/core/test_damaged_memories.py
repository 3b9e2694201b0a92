"""What the data root remembers may be damaged: that costs what was remembered, and never a build or a removal."""

import struct

import pytest

from imgpipe.adapters.image_headers import backing_of
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph
from imgpipe.media.digests import file_digest
from imgpipe.store import Store
from imgpipe.timings import Timings

DEEP = "[" * 200_000


@pytest.mark.parametrize(
    "text",
    [DEEP, '{"x": []}', '{"x": 5}', '{"x": {"a": 1e400}}', f'{{"x": {{"a": {"9" * 400}}}}}', '{"x": {"a": NaN}}'],
)
def test_damaged_timings_are_no_estimates_and_are_replaced(tmp_path, text):
    path = tmp_path / "timings.json"
    path.write_text(text)
    timings = Timings(path, "x")
    assert timings.estimate("a") is None
    timings.remember("a", 2)
    assert timings.estimate("a") == 2


def test_a_damaged_memory_of_digests_is_read_over(tmp_path):
    store, medium = Store(tmp_path), tmp_path / "medium.iso"
    medium.write_bytes(b"x")
    store.cache.mkdir()
    (store.cache / "digests.json").write_text(DEEP)
    assert file_digest(medium, "sha256", store).startswith("2d7116")


def test_a_name_with_a_zero_byte_is_not_known_and_one_beyond_the_end_is_none(tmp_path):
    path = tmp_path / "stranger.qcow2"
    path.write_bytes((b"QFI\xfb" + struct.pack(">IQI", 3, 100, 3)).ljust(100, b"\0") + b"a\0b")
    told = DiskUses(uri="", local=True, uses=(DiskUse(owner="vm001", chain=(str(path),)),))
    assert "cannot be seen" in UseGraph(told).unknown[0]
    for offset in (2**63 + 5, 2**64 - 1):
        path.write_bytes((b"QFI\xfb" + struct.pack(">IQI", 3, offset, 3)).ljust(200, b"\0"))
        backing_of(path)
