"""The JSON Schemas of people's files: sound for strict readers, and of one mind with imgpipe."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from imgpipe.deploy.fleet_files import read_fleet
from imgpipe.errors import RecipeError
from imgpipe.host.network import wanted
from imgpipe.plugins import Plugins
from imgpipe.recipe_files import read_recipe
from imgpipe.settings import checkout, read_settings
from imgpipe.toml_schemas import schema_files, text_of

SCHEMAS = schema_files(Plugins.load().families)
RECIPES = sorted((checkout() / "recipes").glob("*.toml"))
RECIPE, FLEET, HOST = (Draft202012Validator(SCHEMAS[f"{kind}.schema.json"]) for kind in ("recipe", "fleet", "host"))

# JSON Schema 2020-12: what holds a schema, a list of schemas, a table of schemas, and plain values.
ONE = {"additionalProperties", "propertyNames", "items", "not", "if", "then", "else", "contains"}
MANY = {"allOf", "anyOf", "oneOf", "prefixItems"}
NAMED = {"properties", "patternProperties", "$defs"}
PLAIN = {
    "$schema", "$comment", "$ref", "title", "description", "default", "type", "const", "enum", "required", "pattern",
    "format", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip
# ECMA-262 with the flag 'u': only these stand behind a backslash, and only these behind '(?'.
ESCAPE = re.compile(r"\\([\^$\\.*+?()\[\]{}|/]|[dDwWsSbB]|[fnrtv]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")
GROUP = re.compile(r"\(\?(?!:|=|!|<=|<!)")
POSSESSIVE = re.compile(r"[*+?}]\+")
CLASS = re.compile(r"\[[^\]]*\]")


def schemas_in(schema):
    if isinstance(schema, bool):
        return
    yield schema
    for key, value in schema.items():
        found = [value] if key in ONE else value if key in MANY else value.values() if key in NAMED else ()
        for one in found:
            yield from schemas_in(one)


@pytest.fixture(params=sorted(SCHEMAS))
def schema(request):
    return SCHEMAS[request.param]


def test_a_schema_is_one_of_its_dialect_and_has_no_keyword_of_pydantics(schema):
    Draft202012Validator.check_schema(schema)
    for part in schemas_in(schema):
        assert not set(part) - ONE - MANY - NAMED - PLAIN


def test_patterns_are_those_of_every_reader(schema):
    parts = list(schemas_in(schema))
    patterns = [part["pattern"] for part in parts if "pattern" in part]
    patterns += [pattern for part in parts for pattern in part.get("patternProperties", ())]
    assert patterns
    for pattern in patterns:
        re.compile(pattern)
        assert "\\" not in ESCAPE.sub("", pattern), pattern
        assert not GROUP.search(pattern), pattern
        assert not POSSESSIVE.search(CLASS.sub("x", ESCAPE.sub("", pattern))), pattern


def test_nothing_may_be_null_and_formats_are_none_of_pydantics(schema):
    for part in schemas_in(schema):
        assert part.get("type") != "null"
        assert part.get("default", "") is not None
        assert "format" not in part


def test_what_is_asked_for_is_named_and_typed_as_strict_validators_want(schema):
    for part in schemas_in(schema):
        if "required" in part:
            assert set(part["required"]) <= set(part["properties"])
            assert part["type"] == "object"
        if {"pattern", "maxLength"} & set(part):
            assert part["type"] == "string"
        assert isinstance(part.get("type", ""), str)


def test_defaults_are_what_a_person_could_write(schema):
    seen = 0
    for part in schemas_in(schema):
        if "default" in part:
            seen += 1
            whole = {**part, "$defs": schema.get("$defs", {})}
            assert Draft202012Validator(whole).is_valid(part["default"]), part
    assert seen


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_names_the_schema_beside_it_and_obeys_it(path):
    text = path.read_text()
    directive = text.splitlines()[0]
    beside = path.parent / directive.removeprefix("#:schema ")
    assert Draft202012Validator(json.loads(beside.read_text())).is_valid(tomllib.loads(text))


def test_the_shipped_schema_is_that_of_the_code():
    shipped = checkout() / "recipes" / "recipe.schema.json"
    told = "run: imgpipe recipes schema > recipes/recipe.schema.json"
    assert shipped.read_text() == text_of(SCHEMAS[shipped.name]), told


@pytest.mark.parametrize(("page", "validator"), [("fleets.md", FLEET), ("host.md", HOST)])
def test_the_examples_of_the_documentation_obey_their_schema(page, validator):
    text = (checkout() / "docs" / page).read_text()
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert examples
    for example in examples:
        validator.validate(tomllib.loads(example))


def refused_by_imgpipe(kind, text, folder):
    path = folder / "file.toml"
    path.write_text(text)
    readers = {"recipe": lambda: read_recipe(path, "r"), "fleet": lambda: read_fleet(path)}
    readers["host"] = lambda: wanted.read(path)
    try:
        readers[kind]()
    except RecipeError:
        return True
    return False


BOTH_REFUSE = {
    "recipe": (
        "summary = 'no os'",
        "os = 'demo'\nname = 'x'",
        "os = 'demo'\n[machine]\nmemory = 2",
        "os = 'demo'\n[machine]\nmemory = '2'",
        "os = 'demo'\n[machine]\nmemory = '0 GiB'",
        "os = 'demo'\n[machine]\nmemory = '1.5 GiB'",
        "os = 'demo'\n[machine]\ncores = 2",
        "os = 'demo'\n[machine]\ncpus = 0",
        "os = 'demo'\n[disk]\nswap = 5",
        "os = 'demo'\n[medium]\nfile = 'a.iso'\nurl = 'https://a/b'\nsha256 = '" + "a" * 64 + "'",
        "os = 'demo'\n[medium]\nurl = 'https://a/b'",
        "os = 'demo'\n[medium]\nkeyring = 'k'",
        "os = 'demo'\n[[nics]]\ndns = ['10.0.0.1']",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\ngateway = '10.0.0.1'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '127.0.0.1/8'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '10.0.0.5/0'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '10.0.0.256/24'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '10.0.0.05/24'",
        "os = 'demo'\n[guest]\nkernel_arguments = ['a\"b']",
        "os = 'demo'\n[guest.root]\npassword = 'secret'",
        "os = 'demo'\n[guest.root]\npassword = {}",
        "os = 'demo'\n[guest.root.password]\nenv = 'A'\nfile = 'b'",
        "os = 'demo'\n[guest.sshd]\n'Use DNS' = 'no'",
        "os = 'demo'\n[guest.sysctl]\nswappiness = 10",
    ),
    "fleet": (
        "name = 'a'",
        "name = 'a'\n[groups]",
        "name = 'a'\n[groups.W]\ntemplate = 't'\ncount = 1",
        "name = 'a'\n[groups.w]\ntemplate = 't'",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnames = ['a']",
        "name = 'a'\n[groups.w]\ntemplate = 't'\nnames = ['a']\nfirst = 3",
        "name = 'a'\n[groups.w]\ntemplate = 't@new'\ncount = 1",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nmemory = '4'",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{bridge = 'b', network = 'n'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{user = true, addresses = '10.0.0.5/24'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{bridge = 'b', gateway = '10.0.0.1'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{bridge = 'b', addresses = '10.0.0.5'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{bridge = 'b', addresses = '10.0.0.5-9/24'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nfiles = [{path = '/etc/../x', text = ''}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nfiles = [{path = '/etc/x'}]",
    ),
    "host": (
        "confirm_within = 60",
        "[outside]",
        "[outside]\nnic = 'eth0'\nvlan = 0",
        "[outside]\nnic = 'eth0'\ngateway = '10.0.0.1'",
        "[outside]\nnic = 'eth0'\naddress = '224.0.0.1/24'",
        "[outside]\nnic = 'bond0'\n[bonds.bond0]\nnics = []\nmode = '802.3ad'",
    ),
}
BOTH_TAKE = {
    "recipe": (
        "'$schema' = './recipe.schema.json'\nos = 'demo'",
        "os = 'demo'\n[disk]\nswap = 0\nboot = '1024M'",
        "os = 'demo'\n[disk]\nswap = '0'",
        "os = 'demo'\n[machine]\nmemory = ' 4096 mb'\ndisk = '020GiB'",
        "os = 'demo'\n[medium]\nurl = 'https://a/b.iso'\nsha256 = '" + "A" * 64 + "'",
        "os = 'demo'\n[[nics]]\nmac = '52:54:00:AB:CD:EF'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '192.168.1.9/255.255.255.0'\ngateway = '192.168.1.1'",
        "os = 'demo'\n[[nics]]\nname = 'eth0'\naddress = '223.255.1.9/30'",
        "os = 'demo'\n[guest]\nsysctl = {'vm.swappiness' = 10, 'net/ipv4/ip_forward' = '1'}",
        "os = 'rocky9'\n[options]\nkdump = true",
    ),
    "fleet": (
        "'$schema' = 'fleet.schema.json'\nname = 'a'\n[groups.w]\ntemplate = 't@20260301.1'\ncount = 1",
        "name = 'a'\n[defaults]\ntemplate = './old.qcow2'\n[groups.w]\nnames = ['a', 'b-1']",
        "name = 'a'\n[defaults]\ntemplate = 't'\n[groups.w]\ncount = 2\npattern = 'w{n:03}'\nfirst = 10",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{bridge='b', addresses = '10.0.0.5 -10.0.0.9/24'}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nnics = [{user = true}]",
        "name = 'a'\n[groups.w]\ntemplate = 't'\ncount = 1\nfiles = [{path = '/etc/..x/.y', text = ''}]",
    ),
    "host": ("'$schema' = 'host.schema.json'\n[outside]\nnic = 'eth0'\naddress = '10.0.0.2/24'\ngateway = '10.0.0.1'",),
}
VALIDATORS = {"recipe": RECIPE, "fleet": FLEET, "host": HOST}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BOTH_REFUSE.items() for text in texts])
def test_what_imgpipe_refuses_its_schema_refuses_too(kind, text, tmp_path):
    assert refused_by_imgpipe(kind, text, tmp_path)
    assert not VALIDATORS[kind].is_valid(tomllib.loads(text))


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BOTH_TAKE.items() for text in texts])
def test_what_imgpipe_takes_its_schema_takes_too(kind, text, tmp_path):
    assert not refused_by_imgpipe(kind, text, tmp_path)
    VALIDATORS[kind].validate(tomllib.loads(text))


def test_a_fleet_without_any_template_is_refused_by_its_schema():
    table = {"name": "a", "defaults": {"cpus": 2}, "groups": {"w": {"count": 1}}}
    assert not FLEET.is_valid(table)
    assert FLEET.is_valid({**table, "defaults": {"template": "t"}})


@pytest.mark.parametrize(
    ("os", "options", "fits"),
    [
        ("rocky9", {"kdump": True}, True),
        ("rocky9", {"kdumb": True}, False),
        ("ubuntu24.04", {"kdump": True}, False),
        ("debian13", {"source": "ubuntu-server"}, False),
        ("win11", {"image_index": 3, "language": "zh-CN"}, True),
        ("rocky99", {}, False),
    ],
)
def test_options_are_those_of_the_systems_own_plugin(os, options, fits):
    assert RECIPE.is_valid({"os": os, "options": options}) == fits


def test_a_mac_address_and_a_digest_are_kept_in_lower_case(tmp_path):
    path = tmp_path / "r.toml"
    medium = f"os = 'demo'\n[medium]\nurl = 'https://a/b.iso'\nsha256 = '{'A' * 64}'\n"
    path.write_text(f"{medium}[[nics]]\nmac = '52:54:00:AB:CD:EF'\n")
    recipe = read_recipe(path, "r")
    assert (recipe.nics[0].mac, recipe.medium.sha256) == ("52:54:00:ab:cd:ef", "a" * 64)


def test_the_schema_of_an_editor_is_no_part_of_any_file(tmp_path):
    path = tmp_path / "imgpipe.toml"
    path.write_text("'$schema' = 'x.json'\npool = 'vms'\n")
    assert read_settings((path,), lambda _: None).pool == "vms"


@pytest.mark.parametrize("text", ["'$schema' = 3\nos = 'demo'", "os = 'demo'\n[machine]\n'$schema' = 'x'"])
def test_a_schema_in_another_place_or_of_another_kind_is_an_unknown_key(text, tmp_path):
    path = Path(tmp_path / "r.toml")
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, "r")
    assert "$schema: is no key" in caught.value.details[0]


def test_a_schema_key_without_quotes_is_told_how_to_be_written(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('$schema = "./recipe.schema.json"\nos = "demo"\n')
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, "r")
    assert '"$schema" = ' in caught.value.hint


def test_a_name_in_a_recipes_file_is_told_with_its_other_faults(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text("name = 'x'\nos = 'demo'\n[machine]\ncores = 2\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(path, "r")
    assert [fault.partition(":")[0] for fault in caught.value.details] == ["name", "machine.cores"]
