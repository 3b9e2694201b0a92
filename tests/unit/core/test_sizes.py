import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import RecipeError
from imgpipe.recipe import Disk, Machine
from imgpipe.recipe_files import parse
from imgpipe.sizes import GIB, MIB, Sizing, exact_bytes, parse_bytes, show_bytes, split_sized_name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2 GiB", 2 * GIB),
        ("2G", 2 * GIB),
        ("2gb", 2 * GIB),
        ("512 MiB", 512 * 2**20),
        ("1tib", 2**40),
        ("4096 B", 4096),
        ("0", 0),
    ],
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


@pytest.mark.parametrize(
    ("written", "readings"),
    [
        ("2048", "'2048 MiB' or '2 GiB'"),
        ("15", "'15 MiB' or '15 GiB'"),
        ("1500", "'1500 MiB' or '1500 GiB'"),
        ("2147483648", "'2147483648 B' or '2 GiB'"),
    ],
)
def test_a_number_without_a_unit_is_refused_with_what_it_may_mean(written, readings):
    with pytest.raises(ValueError, match=f"needs a unit: {readings}"):
        parse_bytes(written)
    for value in (int(written), float(written), written):
        with pytest.raises(RecipeError) as caught:
            parse(Machine, {"memory": value}, "The recipe")
        assert caught.value.details == (f"memory: needs a unit: {readings}?",)


def test_what_imgpipe_itself_wrote_has_bare_bytes_and_no_swap_needs_no_unit():
    assert Machine.model_validate({"memory": 2 * GIB}).memory == 2 * GIB
    assert parse(Disk, {"swap": 0}, "The recipe").swap == parse(Disk, {"swap": "0"}, "The recipe").swap == 0


@given(st.integers(1, 2**50))
def test_an_exact_size_reads_back(count):
    assert parse_bytes(exact_bytes(count)) == count


def test_an_exact_size_is_not_rounded():
    assert [exact_bytes(2047 * MIB), exact_bytes(2 * GIB), exact_bytes(1)] == ["2047 MiB", "2 GiB", "1 B"]


def test_a_name_may_carry_a_size():
    assert split_sized_name("rocky9-8c16g100g") == ("rocky9", Sizing(cpus=8, memory=16 * GIB, disk=100 * GIB))
    assert split_sized_name("ubuntu24.04-2c4g20g") == (
        "ubuntu24.04",
        Sizing(cpus=2, memory=4 * GIB, disk=20 * GIB),
    )


@pytest.mark.parametrize("name", ["rocky9", "rocky9-8c16g", "rocky9-0c1g1g", "-1c1g1g", "rocky9-4c2g15gb"])
def test_other_names_carry_none(name):
    assert split_sized_name(name) is None
