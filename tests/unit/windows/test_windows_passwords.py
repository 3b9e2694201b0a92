from hypothesis import given
from hypothesis import strategies as st

from imgpipe_windows.answer.password import ADMINISTRATOR, ANY_OTHER, decoded, encoded, weaknesses


def test_microsofts_own_sample_is_encoded_as_they_do():
    assert encoded("pw", ADMINISTRATOR) == "cAB3AEEAZABtAGkAbgBpAHMAdAByAGEAdABvAHIAUABhAHMAcwB3AG8AcgBkAA=="


def test_the_values_of_a_public_project_are_encoded_in_the_same_way():
    """As in the answer files of rgl/windows-vagrant."""
    told = "dgBhAGcAcgBhAG4AdABBAGQAbQBpAG4AaQBzAHQAcgBhAHQAbwByAFAAYQBzAHMAdwBvAHIAZAA="
    assert (encoded("vagrant", ADMINISTRATOR), encoded("vagrant", ANY_OTHER)) == (
        told,
        "dgBhAGcAcgBhAG4AdABQAGEAcwBzAHcAbwByAGQA",
    )


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from([ADMINISTRATOR, ANY_OTHER]))
def test_what_is_encoded_is_decoded(password, suffix):
    assert decoded(encoded(password, suffix)) == password + suffix


@given(st.text())
def test_decoding_survives_anything(text):
    assert decoded(text) is None or isinstance(decoded(text), str)


def test_three_kinds_of_characters_and_eight_of_them_are_enough():
    assert [bool(tuple(weaknesses(word))) for word in ("Abcdefg1", "abcdefg1", "Abcdef1", "ABCDEFG-1")] == [
        False,
        True,
        True,
        False,
    ]
