import os

import pytest
from passlib.hash import sha512_crypt

from imgpipe import environment
from imgpipe.environment import ROOT_PASSWORD
from imgpipe.errors import RecipeError
from imgpipe.passwords import Vault
from imgpipe.recipe import Recipe, Root, SecretSource, User

SALT = b"x" * 32


def recipe(**guest):
    return Recipe.model_validate({"name": "r", "os": "rocky9", "guest": guest})


def test_a_password_is_hashed_with_sha512():
    accounts = Vault(environ={"PW": "secret"}, salt=SALT).accounts(recipe(root=Root(password=SecretSource(env="PW"))))
    assert accounts["root"].password_hash.startswith("$6$")
    assert sha512_crypt.verify("secret", accounts["root"].password_hash)


def test_the_same_data_root_gives_the_same_hash_and_another_does_not():
    asked = recipe(root=Root(password=SecretSource(env="PW")))
    first, again, other = (
        Vault(environ={"PW": "secret"}, salt=salt).accounts(asked)["root"].password_hash
        for salt in (SALT, SALT, b"y" * 32)
    )
    assert first == again != other


def test_two_accounts_with_one_password_have_different_hashes():
    source = SecretSource(env="PW")
    asked = recipe(root=Root(password=source), users=(User(name="ann", password=source),))
    accounts = Vault(environ={"PW": "secret"}, salt=SALT).accounts(asked)
    assert accounts["root"].password_hash != accounts["ann"].password_hash


def test_a_hash_is_taken_as_it_is(tmp_path):
    (tmp_path / "pw").write_text("$y$j9T$abcdefgh$ijklmnopqrst\n")
    asked = recipe(root=Root(password=SecretSource(file=str(tmp_path / "pw"))))
    assert Vault(environ={}, salt=SALT).accounts(asked)["root"].password_hash == "$y$j9T$abcdefgh$ijklmnopqrst"


def test_root_is_locked_unless_a_password_is_there():
    without, given = Vault(environ={}, salt=SALT), Vault(environ={ROOT_PASSWORD: "x"}, salt=SALT)
    assert without.accounts(without.with_default(recipe()))["root"].password_hash == ""
    assert given.accounts(given.with_default(recipe()))["root"].password_hash


def test_a_recipes_own_source_wins_over_the_default():
    asked = recipe(root=Root(password=SecretSource(env="PW")))
    assert Vault(environ={ROOT_PASSWORD: "x"}, salt=SALT).with_default(asked) == asked


def test_all_missing_secrets_are_told_at_once(tmp_path):
    asked = recipe(
        root=Root(password=SecretSource(env="NOT_SET")),
        users=(User(name="ann", password=SecretSource(file=str(tmp_path / "none"))),),
    )
    with pytest.raises(RecipeError) as caught:
        Vault(environ={}, salt=SALT).accounts(asked)
    assert len(caught.value.details) == 2
    assert "NOT_SET" in caught.value.details[0]
    assert "none" in caught.value.details[1]


def test_an_account_does_not_show_its_hash():
    vault = Vault(environ={ROOT_PASSWORD: "x"}, salt=SALT)
    accounts = vault.accounts(vault.with_default(recipe()))
    assert accounts["root"].password_hash not in repr(accounts)


@pytest.mark.parametrize(("mode", "told"), [(0o600, 0), (0o640, 0), (0o604, 1), (0o644, 1)])
def test_a_password_file_that_everybody_can_read_is_warned_of(tmp_path, mode, told):
    file = tmp_path / "pw"
    file.write_text("hunter22\n")
    file.chmod(mode)
    heard = []
    Vault(environ={}, salt=SALT, warn=heard.append).password(SecretSource(file=str(file)))
    assert [str(file) in text and "hunter22" not in text for text in heard] == [True] * told


def test_variables_with_secrets_are_not_inherited(monkeypatch):
    for name in (ROOT_PASSWORD, "DB_PASSWORD", "PLAIN"):
        monkeypatch.setenv(name, "hunter22")
    assert ROOT_PASSWORD not in environment.of_children()
    # Named is enough: what is started before the secret is read must not have it either.
    recipe(root={"password": {"env": "DB_PASSWORD"}})
    got = environment.of_children({"MORE": "1"})
    assert not {ROOT_PASSWORD, "DB_PASSWORD"} & got.keys()
    assert (got["PLAIN"], got["MORE"], got["LC_ALL"]) == ("hunter22", "1", "C.UTF-8")
    environment.drop_secrets()
    assert not {ROOT_PASSWORD, "DB_PASSWORD"} & os.environ.keys()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hunter\0two\n", "control character"),
        (b"hunter\x07two\n", "control character"),
        (b"hunter\xc2\x85two\n", "control character"),
        (b"x" * 512, "longer than 511 bytes"),
        (b"hunter\xff\n", "cannot be read (UnicodeDecodeError)"),
        (b"\xef\xbb\xbf\n", "is empty"),
    ],
)
def test_a_secret_that_nobody_could_type_is_refused_without_being_shown(tmp_path, content, said):
    (tmp_path / "pw").write_bytes(content)
    asked = recipe(root=Root(password=SecretSource(file=str(tmp_path / "pw"))))
    with pytest.raises(RecipeError) as caught:
        Vault(environ={}, salt=SALT).accounts(asked)
    (detail,) = caught.value.details
    assert said in detail
    assert "hunter" not in detail
    assert "xxx" not in detail


@pytest.mark.parametrize("value", ["hunter\udcff", "hunter\ntwo", "hunter\n", "x" * 5000])
def test_a_variable_is_held_to_the_same(value):
    with pytest.raises(RecipeError) as caught:
        Vault(environ={"PW": value}, salt=SALT).password(SecretSource(env="PW"))
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("content", [b"hunter22\n", b"hunter22\r\n", b"hunter22", b"\xef\xbb\xbfhunter22\r\nmore\n"])
def test_line_ends_and_marks_of_editors_are_no_part_of_a_password(tmp_path, content):
    (tmp_path / "pw").write_bytes(content)
    assert Vault(environ={}, salt=SALT).password(SecretSource(file=str(tmp_path / "pw"))) == "hunter22"


@pytest.mark.parametrize("length", [511, 127])
def test_a_password_may_be_as_long_as_crypt_takes(length):
    hashed = Vault(environ={"PW": "x" * length}, salt=SALT).password_hash("o", SecretSource(env="PW"))
    assert sha512_crypt.verify("x" * length, hashed)
