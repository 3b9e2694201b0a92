"""Whatever is wrong with a file, a person is told in words that say what to write."""

import datetime
import re
from typing import get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core.core_schema import ErrorType

from imgpipe.deploy.fleet import Fleet
from imgpipe.errors import RecipeError
from imgpipe.host.network.wanted import HostNetwork
from imgpipe.model_faults import _ODD, _tables_of, reason, sentence
from imgpipe.recipe import Recipe
from imgpipe.recipe_files import parse
from imgpipe.settings import Settings

PYDANTICS = re.compile(
    r"Input|input (should|is)|[Ff]ield required|Extra inputs|should|valid (string|dictionary|list|tuple|integer|IPv4)|"
    r"permitted|match pattern|instance of|Value error|Assertion|function-|\^"
)
WRONG = (5, -1, 10**12, 0.5, True, "", "Wrong_%03d\t", "x" * 2000, [], [5], ["_"], {}, {"zz": 1}, datetime.date.min)


def tables(kind, place=()):
    """Yield every table below `kind`, each with a place in a file that leads there."""
    yield place, kind
    for name, field in kind.model_fields.items():
        for inner in _tables_of(field.annotation):
            yield from tables(inner, (*place, name, *_steps(field.annotation)))


def _steps(annotation):
    """Return the index or key between a field and the table in it."""
    text = str(annotation)
    return ("a",) if re.search(r"(dict|Mapping)\[", text) else (0,) if "tuple[" in text else ()


def document(place, value):
    for step in reversed(place):
        value = [value] if step == 0 else {step: value}
    return value


def told(kind, table):
    try:
        parse(kind, table, "The file")
    except RecipeError as error:
        return error.details
    return ()


def told_of(kind, place):
    """Return the one line that is said of a text where it must not stand."""
    path = tuple(0 if part == "0" else part for part in place.split("."))
    (line,) = [line for line in told(kind, document(path, "x")) if line.startswith(f"{place}: ")]
    return line


@pytest.fixture(scope="session")
def kinds(plugins):
    return (Recipe, Fleet, HostNetwork, Settings, *(family.options for family in plugins.families))


def test_no_sentence_of_pydantics_reaches_a_person(kinds):
    seen = set()
    for kind in kinds:
        for place, table in tables(kind):
            for name in (*table.model_fields, "no_such_key"):
                for value in WRONG:
                    seen |= set(told(kind, document((*place, name), value)))
    assert len(seen) > 500
    assert not [line for line in seen if PYDANTICS.search(line.partition(": ")[2])]
    # A sentence that fits everything helps nobody.
    assert not [line for line in seen if _ODD in line]


@pytest.mark.parametrize("kind", get_args(ErrorType))
def test_no_error_that_pydantic_may_ever_raise_is_told_in_its_words(kind):
    context = {"expected": "'a' or 'b'", "gt": 0, "ge": 0, "lt": 0, "le": 0, "min_length": 1, "max_length": 1}
    said = sentence(kind, context, "Value error, needs a unit")
    assert said
    assert not PYDANTICS.search(said)


@pytest.mark.parametrize(
    ("kind", "place", "hint"),
    [
        (Recipe, "machine.cpu", "did you mean 'cpus'?"),
        (Recipe, "machine.ram", "did you mean 'memory'?"),
        (Recipe, "memory", "did you mean 'machine.memory'?"),
        (Recipe, "cpu", "did you mean 'machine.cpus'?"),
        (Recipe, "root_password", "did you mean 'guest.root.password'?"),
        (Recipe, "guest.rootpw", "did you mean 'root.password'?"),
        (Recipe, "nics.0.ip", "did you mean 'address'?"),
        (Recipe, "medium.iso", "did you mean 'file'?"),
        (Recipe, "kickstart", "did you mean 'install.answer_file'?"),
        (Fleet, "groups.a.address", "did you mean 'addresses' in each of 'nics'?"),
        (Fleet, "groups.a.vcpus", "did you mean 'cpus'?"),
        (Fleet, "groups.a.nics.0.address", "did you mean 'addresses'?"),
        (Fleet, "defaults.count", "there are template, cpus"),
        (HostNetwork, "inside.adress", "did you mean 'address'?"),
        (Settings, "pools", "did you mean 'pool'?"),
    ],
)
def test_an_unknown_key_is_told_with_the_likely_one(kind, place, hint):
    assert hint in told_of(kind, place)


@pytest.mark.parametrize(
    ("kind", "place", "said"),
    [
        (Recipe, "medium", "must be a table, such as {file = ...}; there are file, url, sha256, checksums, keyring"),
        (Recipe, "guest.packages", "must be a table, such as {add = ...}; there are add, remove"),
        (Recipe, "guest.users.0", "must be a table, such as {name = ...}; there are name, comment"),
        (Recipe, "disk", "did you mean 'machine.disk'?"),
        (Recipe, "guest.sysctl", "must be a table, such as {key = ...}"),
        (Fleet, "groups", "must be tables, each with a name of its own: [groups.NAME]"),
    ],
)
def test_where_a_table_must_stand_it_is_told_with_its_keys(kind, place, said):
    assert said in told_of(kind, place)


def test_a_list_whose_items_are_all_wrong_is_not_told_to_be_empty_as_well():
    lines = told(Fleet, {"name": "f", "groups": {"web": {"template": "demo", "names": ["a_b"]}}})
    assert [line.partition(": ")[0] for line in lines] == ["groups.web.names.0"]
    lines = told(Fleet, {"name": "f", "groups": {}})
    assert lines == ("groups: is empty",)


@pytest.mark.parametrize("place", ["guest.root.password", "install.product_key"])
def test_a_secret_in_a_file_is_told_where_to_put_it(place):
    lines = told(Recipe, {"name": "r", "os": "rocky9"} | document(tuple(place.split(".")), "hunter2"))
    assert lines == (f'{place}: is no place for a secret; say where it is: {{env = "NAME"}} or {{file = "PATH"}}',)


def test_a_damaged_record_is_told_of_without_its_text():
    class Kept(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Kept.model_validate_json('{"number": "hunter2"}')
    assert reason(caught.value) == "number: must be a whole number"
    with pytest.raises(ValidationError) as caught:
        Kept.model_validate_json("{")
    assert reason(caught.value) == "(the file): is damaged: it is no JSON"
