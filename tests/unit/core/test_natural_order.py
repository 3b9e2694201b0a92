from hypothesis import given
from hypothesis import strategies as st

from imgpipe.natural_order import natural


def test_numbers_are_sorted_as_numbers():
    names = ["web-10", "web-9", "web-1", "db", "web-1b", "ubuntu24.04", "ubuntu22.04", "007", "7"]
    assert sorted(names, key=natural) == [
        "007", "7", "db", "ubuntu22.04", "ubuntu24.04", "web-1", "web-1b", "web-9", "web-10",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=30), max_size=6))
def test_any_names_have_one_order(names):
    backwards = list(reversed(names))
    backwards.sort(key=natural)
    assert sorted(names, key=natural) == backwards
