import pytest

from imgpipe.adapters import accelerator
from imgpipe.host.network import other_tools
from imgpipe.json_text import parse_json
from imgpipe.media import digests
from imgpipe.store import Store
from imgpipe.timings import Timings

DEEP = "[" * 200_000


@pytest.mark.parametrize("text", ["", "{", DEEP, b"\xff\xff", "1" * 5000])
def test_whatever_is_wrong_with_a_json_text_is_one_kind_of_error(text):
    with pytest.raises(ValueError, match="."):
        parse_json(text)


def test_remembered_files_that_are_nested_without_end_are_as_good_as_none(tmp_path):
    store = Store(tmp_path)
    store.cache.mkdir(parents=True)
    for path in (store.cache / "digests.json", tmp_path / "x.json"):
        path.write_text(DEEP)
    assert digests._load(store) == {}
    assert accelerator._read(tmp_path / "x.json") == {}
    assert other_tools._yaml(tmp_path / "x.json") == {}
    assert Timings(tmp_path / "x.json", "demo")._read() == {}
