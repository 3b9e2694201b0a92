"""JSON Schemas of the TOML files that people write, for their editors; they say what is refused where one can say it.

What is in them holds for every reader: the dialect is 2020-12, patterns are ECMA-262, and no keyword and no format is
one that only pydantic knows. TOML has no null, so nothing may be null; a default is written as people would write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from imgpipe.deploy.fleet import Fleet
from imgpipe.host.network.wanted import HostNetwork
from imgpipe.named_files import read_text
from imgpipe.os_family import OsFamily
from imgpipe.recipe import Recipe
from imgpipe.schema_rules import SIZE, SIZE_OR_NONE, Rule
from imgpipe.sizes import exact_bytes
from imgpipe.toml_file import SCHEMA_KEY

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MARK = "Written by imgpipe, which writes it anew: change nothing here."
_DEFINED = "#/$defs/{model}"
_SIZES = (SIZE["pattern"], SIZE_OR_NONE["anyOf"][1]["pattern"])


def recipe_schema(families: Iterable[OsFamily]) -> Rule:
    """Return the JSON Schema of a recipe where these families' plugins are: the systems and the options that they know.

    A recipe's name is its file's, and no key.
    """
    known = tuple(families)
    options = tuple(dict.fromkeys(family.options for family in known))
    names, definitions = _definitions((Recipe, *options))
    schema = _file_schema(definitions, "Recipe")
    del schema["properties"]["name"]
    schema["required"] = [key for key in schema["required"] if key != "name"]
    schema["properties"]["os"] = {
        "description": "The operating system; 'imgpipe os list' shows all.",
        "enum": sorted(system.name for family in known for system in family.systems),
        "type": "string",
    }
    schema["allOf"] = [
        {
            "if": {"properties": {"os": {"enum": sorted(system.name for system in family.systems)}}},
            "then": {"properties": {"options": {"$ref": _DEFINED.format(model=names[family.options])}}},
        }
        for family in known
    ]
    return schema


def fleet_schema() -> Rule:
    """Return the JSON Schema of a fleet."""
    return _file_schema(_definitions((Fleet,))[1], "Fleet")


def host_schema() -> Rule:
    """Return the JSON Schema of a host's network."""
    return _file_schema(_definitions((HostNetwork,))[1], "HostNetwork")


def schema_files(families: Iterable[OsFamily]) -> Mapping[str, Rule]:
    """Return every schema by the name of the file that it is written to."""
    return MappingProxyType(
        {
            "recipe.schema.json": recipe_schema(families),
            "fleet.schema.json": fleet_schema(),
            "host.schema.json": host_schema(),
        }
    )


def text_of(schema: Mapping[str, Any]) -> str:
    """Return a schema as the text of its file."""
    return json.dumps(schema, indent=2) + "\n"


def is_ours(path: Path) -> bool:
    """Say whether a schema's file may be written anew: it is not there, or was written by `text_of`.

    Raises OSError for what cannot be read.
    """
    try:
        return f'"$comment": "{_MARK}"' in read_text(path)
    except FileNotFoundError:
        return True
    except UnicodeDecodeError:
        return False


def _definitions(models: tuple[type[BaseModel], ...]) -> tuple[dict[type[BaseModel], str], dict[str, Rule]]:
    """Return the name of each model among the definitions, and the definitions of all that they are made of."""
    generator = _ForPeople(by_alias=True, ref_template=_DEFINED)
    asked: list[tuple[type[BaseModel], JsonSchemaMode, core_schema.CoreSchema]] = [
        (model, "validation", model.__pydantic_core_schema__) for model in models
    ]
    places, definitions = generator.generate_definitions(asked)
    prefix = _DEFINED.format(model="")
    names = {model: places[model, "validation"]["$ref"].removeprefix(prefix) for model in models}
    return names, {str(name): dict(schema) for name, schema in definitions.items()}


def _file_schema(definitions: dict[str, Rule], name: str) -> Rule:
    """Return the schema of a file, which is the definition `name`; the others stay definitions."""
    top = definitions.pop(name)
    # Editors' habit: a key that says where the schema is, which a reader of the file passes over.
    properties = {SCHEMA_KEY: {"description": "Where the schema is, for editors.", "type": "string"}}
    return {
        "$schema": DIALECT,
        "$comment": _MARK,
        **top,
        "properties": {**properties, **top["properties"]},
        "$defs": dict(sorted(definitions.items())),
    }


class _ForPeople(GenerateJsonSchema):
    """What pydantic says of types, without null, and with nothing but what a person can write."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema of the value alone."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema with a default where it tells something: not of tables and lists, and no null."""
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        if not isinstance(default, str | int) or default == "":
            return inner
        if isinstance(default, int) and _is_size(inner):
            default = exact_bytes(default)
        return {**inner, "default": default}

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Return the schema of a table with keys of one's own choice, and no others."""
        made = super().dict_schema(schema)
        if "patternProperties" in made:
            made["additionalProperties"] = False
        if "propertyNames" in made:
            made["propertyNames"]["type"] = "string"
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401, ARG002 (as pydantic calls it)
        """Leave out titles that only repeat a key."""
        return False


def _is_size(schema: JsonSchemaValue) -> bool:
    text: Mapping[str, Any] = schema.get("anyOf", [schema])[-1]
    return text.get("pattern") in _SIZES
