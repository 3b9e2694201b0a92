"""Every method of crypt(5), as an operator gives it, as it is hidden, and as a sealed disk is searched for it."""

import json

import pytest

from imgpipe.crypt_methods import METHODS, hashes, is_hash, without_hashes
from imgpipe.disclosure import one_line, without_secrets
from imgpipe.errors import RecipeError
from imgpipe.passwords import Vault
from imgpipe.recipe import SecretSource

DES = "ab1CD2ef3GH4."
each_method = pytest.mark.parametrize("method", METHODS, ids=[method.name for method in METHODS])
SOURCE = SecretSource(env="PW")


def test_the_methods_are_those_of_crypt_5():
    assert {method.prefix for method in METHODS} == {
        *("$y$", "$gy$", "$sm3y$", "$7$", "$2b$", "$2a$", "$2x$", "$2y$", "$6$", "$5$", "$sm3$", "$sha1$", "$md5"),
        *("$1$", "$3$", "_"),
    }
    assert all(method.example.startswith(method.prefix) for method in METHODS)


@each_method
def test_a_hash_that_the_operator_gives_is_taken_as_one(method):
    vault = Vault(environ={"PW": method.example}, salt=b"salt")
    assert vault.password_hash("web/root", SOURCE) == method.example
    with pytest.raises(RecipeError, match="is a hash"):
        vault.password(SOURCE)


@each_method
def test_a_hash_is_hidden_wherever_it_stands(method):
    for text in (method.example, f"root:{method.example}:19000:0", f"rootpw --iscrypted {method.example} # x"):
        told = without_secrets(text)
        assert told == text.replace(method.example, "(secret)")
    assert method.example not in one_line(f"said: {method.example}.")
    assert json.loads(without_secrets(json.dumps({"a": method.example, "b": 1}))) == {"a": "(secret)", "b": 1}


@each_method
@pytest.mark.parametrize("answers", ["rootpw --iscrypted {}\n", "password: '{}'\n", 'Password "{}"', "x root:{}:1:"])
def test_a_hash_is_found_in_what_a_sealed_disk_is_searched_for(method, answers):
    assert list(hashes(answers.format(method.example))) == [method.example]


@pytest.mark.parametrize(
    "text",
    [
        f"root:{DES}:19000:0:99999:7:::",
        f"root:!{DES}::",
        f"rootpw --iscrypted {DES}",
        f"user --name=x --password={DES} --iscrypted",
        f"user --name=x --password={DES} --groups=wheel --iscrypted",
        f"d-i passwd/root-password-crypted password {DES}",
    ],
)
def test_descrypt_is_known_by_its_place(text):
    assert list(hashes(text)) == [DES]
    assert without_hashes(text, "(secret)") == text.replace(DES, "(secret)")


@pytest.mark.parametrize(
    "text",
    [
        *("correct-horse-battery", DES, "$6$", "$HOME/x", "price $5, $1$", "_private_name", "$apples$and$pears"),
        "_ImageBuilderVersion",
        "$ecret$1$pw",
        "",
    ],
)
def test_what_only_resembles_a_hash_is_a_password(text):
    assert not is_hash(text)
    assert without_hashes(text, "(secret)") == text
