import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.sizes import GIB, Sizing, parse_bytes, show_bytes, split_sized_name


@pytest.mark.parametrize(
    ("text", "count"),
    [("2 GiB", 2 * GIB), ("2G", 2 * GIB), ("2gb", 2 * GIB), ("512 MiB", 512 * 2**20), ("4096", 4096), ("1tib", 2**40)],
)
def test_a_size_is_read_in_binary_units(text, count):
    assert parse_bytes(text) == count


@pytest.mark.parametrize("text", ["", "2 GB/s", "-1 GiB", "1.5 GiB", "two", "2 Gi B"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="must be a size"):
        parse_bytes(text)


@given(st.integers(1, 1023))
def test_a_shown_size_reads_back(count):
    assert parse_bytes(show_bytes(count * GIB)) == count * GIB


def test_a_name_may_carry_a_size():
    assert split_sized_name("rocky9-8c16g100g") == ("rocky9", Sizing(cpus=8, memory=16 * GIB, disk=100 * GIB))
    assert split_sized_name("ubuntu24.04-2c4g20g") == (
        "ubuntu24.04",
        Sizing(cpus=2, memory=4 * GIB, disk=20 * GIB),
    )


@pytest.mark.parametrize("name", ["rocky9", "rocky9-8c16g", "rocky9-0c1g1g", "-1c1g1g", "rocky9-4c2g15gb"])
def test_other_names_carry_none(name):
    assert split_sized_name(name) is None
