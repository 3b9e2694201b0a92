import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import RecipeError
from imgpipe.media.checksums import Checksum, parse, pick, signed_text

A = "a" * 64
B = "b" * 64
LONG = "c" * 128

names = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=40).filter(
    lambda name: name == name.strip() and "\\" not in name
)
digests = st.binary(max_size=8).map(lambda data: hashlib.sha256(data).hexdigest())


def test_rocky_s_bsd_form_with_comments_is_read():
    text = f"# Rocky-9.6-minimal.iso: 2151350272 bytes\nSHA256 (Rocky-9.6-minimal.iso) = {A.upper()}\n"
    assert parse(text) == (Checksum(name="Rocky-9.6-minimal.iso", algorithm="sha256", digest=A),)


def test_gnu_form_is_read_for_text_and_binary_mode():
    assert [entry.name for entry in parse(f"{A}  one.iso\n{B} *two.iso\n")] == ["one.iso", "two.iso"]


def test_an_escaped_gnu_name_is_unescaped():
    assert parse(f"\\{A}  odd\\nname\\\\.iso\n")[0].name == "odd\nname\\.iso"


def test_windows_line_ends_do_no_harm():
    assert parse(f"{A}  one.iso\r\n")[0].name == "one.iso"


@pytest.mark.parametrize(
    "line",
    [
        f"{A} one.iso",
        f"{A}\tone.iso",
        f"{A} \t one.iso",
        f"\ufeff{A}  one.iso",
        f"SHA2-256(one.iso)= {A}",
        f"SHA256(one.iso)= {A}",
        f"SHA2-256 (one.iso) = {A}",
        f"sha-256 (one.iso) = {A}",
        f"  {A}  one.iso",
    ],
)
def test_what_hands_and_other_programs_write_is_read(line):
    assert parse(f"{line}\n") == (Checksum(name="one.iso", algorithm="sha256", digest=A),)


def test_sha2_512_is_told_from_its_short_form():
    assert parse(f"SHA2-512(one.iso)= {LONG}\nSHA2-512/256(one.iso)= {A}\n") == (
        Checksum(name="one.iso", algorithm="sha512", digest=LONG),
    )


@pytest.mark.parametrize("text", [A, f"{A}\n", f"\ufeff{A.upper()}\r\n", f"# one\n{A}\n", f"{LONG}\n"])
def test_a_digest_alone_is_that_of_the_one_file(text):
    assert pick(text, "one.iso", "one.iso.sha256").digest in {A, LONG}


def test_several_digests_alone_are_nobodys_and_one_beside_names_is_none_of_theirs():
    with pytest.raises(RecipeError, match="2 different digests"):
        pick(f"{A}\n{B}\n", "one.iso", "SUMS")
    with pytest.raises(RecipeError, match="no SHA-256"):
        pick(f"{A}\n{B}  two.iso\n", "one.iso", "SUMS")


def test_weak_digests_are_left_out():
    assert parse(f"{'d' * 32}  one.iso\n{'e' * 40}  one.iso\nMD5 (one.iso) = {'d' * 32}\n") == ()


def test_a_bsd_digest_of_the_wrong_length_for_its_name_is_left_out():
    assert parse(f"SHA512 (one.iso) = {A}\nSHA512/256 (one.iso) = {A}\n") == ()


def test_sha256_is_preferred_where_both_are_given():
    assert pick(f"{LONG}  one.iso\n{A}  one.iso\n", "one.iso", "SUMS").algorithm == "sha256"


def test_sha512_is_taken_where_it_is_alone():
    assert pick(f"{LONG}  one.iso\n", "one.iso", "SUMS").digest == LONG


def test_a_name_with_a_folder_fits_if_no_other_does():
    assert pick(f"{A}  ./iso/one.iso\n", "one.iso", "SUMS").digest == A
    assert pick(f"{A}  old/one.iso\n{B}  one.iso\n", "one.iso", "SUMS").digest == B


def test_two_different_digests_are_refused():
    with pytest.raises(RecipeError, match="2 different digests") as caught:
        pick(f"{A}  one.iso\n{B}  one.iso\n", "one.iso", "SUMS")
    assert caught.value.details == (A, B)


def test_the_same_digest_twice_is_no_conflict():
    assert pick(f"{A}  one.iso\nSHA256 (one.iso) = {A}\n", "one.iso", "SUMS").digest == A


def test_a_missing_name_lists_what_the_file_has():
    with pytest.raises(RecipeError, match=r"no SHA-256 or SHA-512 digest for 'three\.iso'") as caught:
        pick(f"{A}  one.iso\n{B}  two.iso\n", "three.iso", "SUMS")
    assert caught.value.details == ("it has: one.iso", "it has: two.iso")


def test_a_long_list_of_names_is_cut():
    with pytest.raises(RecipeError) as caught:
        pick("".join(f"{A}  {number}.iso\n" for number in range(50)), "x.iso", "SUMS")
    assert len(caught.value.details) == 21
    assert caught.value.details[-1] == "and 30 more"


def test_only_the_signed_part_of_a_clearsigned_file_counts():
    text = (
        f"{B}  outside.iso\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
        f"{A}  one.iso\n- -dashed\n-----BEGIN PGP SIGNATURE-----\n\nabc\n-----END PGP SIGNATURE-----\n{B}  after.iso\n"
    )
    assert [entry.name for entry in parse(text)] == ["one.iso"]
    assert "\n-dashed" in signed_text(text)


@given(st.dictionaries(names.filter(lambda name: "/" not in name and ")" not in name), digests, min_size=1))
def test_every_name_that_is_written_is_found_in_both_forms(known):
    gnu = "".join(f"{digest}  {name}\n" for name, digest in known.items())
    bsd = "".join(f"SHA256 ({name}) = {digest}\n" for name, digest in known.items())
    for name, digest in known.items():
        assert pick(gnu, name, "SUMS").digest == digest
        assert pick(bsd, name, "SUMS").digest == digest


@given(st.text(max_size=400))
def test_no_text_makes_the_parser_fail(text):
    assert all(len(entry.digest) in {64, 128} for entry in parse(text))
