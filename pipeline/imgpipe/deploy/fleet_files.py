"""Fleets as they come: a file, or the flags of a command line; what they name on this host is read here, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from imgpipe.deploy.addresses import DHCP
from imgpipe.deploy.fleet import LONGEST_FILE, File, Fleet, FleetRoot, FleetUser, Shape, is_disk, place_of
from imgpipe.deploy.names import LABEL_RULE, PATTERN_RULE, is_label, with_number, without_number
from imgpipe.disclosure import one_line
from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.named_files import open_regular
from imgpipe.recipe import SecretSource, SshKey
from imgpipe.recipe_files import parse, refuse_words_of_others
from imgpipe.source_nics import SourceNic
from imgpipe.toml_file import read_toml

AnyShape = TypeVar("AnyShape", bound=Shape)
AnyLogin = TypeVar("AnyLogin", FleetRoot, FleetUser)

_KEY: TypeAdapter[str] = TypeAdapter(SshKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """A fleet of one group, as a command line asks for it; what is absent is the template's own.

    `addresses` belong to the NICs in their order (bridges, then networks, else `plugs`), 'dhcp' where one has none.
    `gateway` and `dns` are of the first NIC with addresses. `plugs` are what NICs that nobody named are plugged into.
    """

    template: str
    name: str
    count: int | None = None
    first: int | None = None
    fleet: str | None = None
    fleet_id: str | None = None
    pool: str | None = None
    cpus: int | None = None
    memory: str | None = None
    disk: str | None = None
    bridges: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    plugs: tuple[SourceNic, ...] = ()
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    domain: str | None = None
    key_files: tuple[str, ...] = ()
    root_password: str | None = None
    linked: bool | None = None
    autostart: bool = False
    start: bool = True
    cache: str | None = None
    cache_reason: str | None = None


def read_fleet(path: Path) -> Fleet:
    """Read a fleet's file and the files that it names; raises RecipeError with every fault of it and its key."""
    table = read_toml(path, f"The fleet '{path}'")
    fleet = parse(Fleet, table, f"The fleet '{path.name}'")
    refuse_words_of_others(path, f"The fleet '{path}'", _named(fleet))
    return _with_files(fleet, path.parent)


def _named(fleet: Fleet) -> Iterator[str]:
    """Yield the keys of a fleet that name files or secrets of this host."""
    shapes: dict[str, Shape] = {"defaults": fleet.defaults}
    shapes |= {f"groups.{name}": group for name, group in fleet.groups.items()}
    shapes |= {place_of(name): machine for name, machine in fleet.machines.items()}
    for key, shape in shapes.items():
        if shape.template and is_disk(shape.template):
            yield f"{key}.template"
        yield from (f"{key}.files: '{file.path}'" for file in shape.files if file.source)
        logins: dict[str, FleetRoot | FleetUser] = {f"{key}.root": shape.root}
        logins |= {f"{key}.users: '{user.name}'": user for user in shape.users}
        yield from (where for where, login in logins.items() if login.key_files or login.password)


def fleet_of_flags(flags: Flags) -> Fleet:
    """Return the fleet that a command line asks for; raises RecipeError with every fault.

    `--name web` alone is one machine of that name; with a count the machines are web-01, web-02 and so on, or as a
    pattern such as 'web-{n:03}' says.
    """
    try:
        return fleet_of_table(table_of_flags(flags), Path())
    except RecipeError as error:
        raise as_options(error) from None


def fleet_of_table(table: dict[str, Any], folder: Path) -> Fleet:
    """Return the fleet of a table that options made; paths are relative to `folder`. Raises RecipeError."""
    return _with_files(parse(Fleet, table, "What the command line asks for"), folder)


def table_of_flags(flags: Flags) -> dict[str, Any]:
    """Return what a command line asks for as the table of a fleet's file; raises RecipeError for what is none."""
    _check_name(flags)
    name = without_number(flags.name)
    group: dict[str, Any] = {"template": flags.template}
    if flags.count is None and name == flags.name:
        group["names"] = [flags.name]
    else:
        group |= {"count": 1 if flags.count is None else flags.count}
        group |= {"pattern": flags.name} if name != flags.name else {}
    same = ("first", "cpus", "memory", "disk", "domain", "cache", "cache_reason", "linked")
    group |= {key: value for key in same if (value := getattr(flags, key)) is not None}
    group |= {"autostart": True} if flags.autostart else {}
    group |= {} if flags.start else {"start": False}
    group |= _own_tables(flags)
    table: dict[str, Any] = {"name": flags.fleet or name}
    table |= {"id": flags.fleet_id} if flags.fleet_id is not None else {}
    table |= {"pool": flags.pool} if flags.pool is not None else {}
    return table | {"groups": {name: group}}


def shape_of_flags(flags: Flags) -> Shape:
    """Return what a command line says of machines that are there; raises RecipeError with every fault."""
    same = ("cpus", "memory", "disk")
    table = {key: value for key in same if (value := getattr(flags, key)) is not None} | _own_tables(flags)
    wrong: list[str] = []
    try:
        shape = _filled(parse(Shape, table, "What the command line asks for"), Path(), "", wrong)
        if wrong:
            raise RecipeError("The command line names files that are not what it needs.", details=wrong)
    except RecipeError as error:
        raise as_options(error) from None
    return shape


def with_whole_paths(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a table that options made with paths that mean the same anywhere; they are relative to `folder`."""

    def whole(path: str) -> str:
        return str((folder / in_home(path)).absolute())

    groups = {}
    for name, group in table["groups"].items():
        made = dict(group)
        if is_disk(group["template"]):
            made["template"] = whole(group["template"])
        if root := dict(group.get("root", {})):
            root |= {"key_files": [whole(file) for file in root["key_files"]]} if "key_files" in root else {}
            root |= {"password": {"file": whole(file)}} if (file := root.get("password", {}).get("file")) else {}
            made["root"] = root
        groups[name] = made
    return table | {"groups": groups}


def _own_tables(flags: Flags) -> dict[str, Any]:
    """Return the tables of a group, or of one machine, that flags speak of: root's, and those of NICs."""
    root: dict[str, Any] = {"key_files": list(flags.key_files)} if flags.key_files else {}
    if flags.root_password:
        root["password"] = _source(flags.root_password)
    nics = list(_nics(flags))
    return ({"root": root} if root else {}) | ({"nics": nics} if nics else {})


def as_options(error: RecipeError) -> RecipeError:
    """Return an error about a command line's fleet with the options' names instead of a file's keys."""
    return RecipeError(str(error), hint=error.hint, details=map(_as_option, error.details))


_OPTIONS = {
    "template": "TEMPLATE", "cpus": "--vcpus", "names": "--name", "pattern": "--name", "key_files": "--key-file",
    "password": "--root-password", "name": "--fleet", "id": "--fleet-id", "keys": "--key-file",
    **{key: f"--{key}" for key in ("first", "count", "memory", "disk", "domain", "linked", "pool", "cache",
                                   "bridge", "network", "addresses", "gateway", "dns")},
    "cache_reason": "--cache-reason",
}  # fmt: skip
_PLACE = re.compile(r"\.?(?:groups\.[a-z0-9-]+\.)?(?:root\.|nics\.\d+\.)?([a-z_]+)(?:\.[0-9a-z_]+)*: ")


def _as_option(fault: str) -> str:
    found = _PLACE.match(fault)
    option = _OPTIONS.get(found[1]) if found else None
    rest = fault[found.end() :].replace("cache_reason", "--cache-reason") if found else ""
    return f"{option}: {rest}" if option else fault


def _check_name(flags: Flags) -> None:
    """Refuse a name that no machine can have, and a count for a name that has its number already."""
    plain = without_number(flags.name)
    if not is_label(with_number(flags.name, 1)) or not is_label(plain):
        raise RecipeError(
            f"'{one_line(flags.name, 80)}' is no name for machines.",
            hint=f"{_sentence(LABEL_RULE)} {_sentence(PATTERN_RULE)}",
        )
    digits = re.search(r"[0-9]+$", flags.name)
    if digits and flags.count is not None and flags.count > 1:
        width = len(digits[0])
        place = "{n}" if width == 1 else f"{{n:0{width}}}"
        pattern = f"{flags.name[: digits.start()]}{place}"
        first = int(digits[0])
        ends = f"{with_number(pattern, first)} to {with_number(pattern, first + flags.count - 1)}"
        raise RecipeError(
            f"'{flags.name}' has a number of its own, and {flags.count} machines are asked for.",
            hint=f"'--name {quote(pattern)} --first {first} --count {flags.count}' makes {ends}; for names such as "
            f"{flags.name}-01 say '--name {quote(flags.name + '-{n:02}')}'.",
        )


def _sentence(rule: str) -> str:
    return f"{rule[:1].upper()}{rule[1:]}."


def _source(text: str) -> dict[str, str]:
    """Return where a password is; it never stands on a command line itself, where everybody could read it."""
    kind, _, where = text.partition(":")
    if kind not in ("file", "env") or not where:
        raise RecipeError(
            "'--root-password' takes no password, but where it is.", hint="Such as 'file:root.hash' or 'env:ROOT_PW'."
        )
    return {kind: where}


def _nics(flags: Flags) -> Iterator[dict[str, Any]]:
    """Yield the tables of NICs; none where the flags name none."""
    plugs: list[dict[str, Any]] = [{"bridge": name} for name in flags.bridges]
    plugs += [{"network": name} for name in flags.networks]
    if not plugs and flags.addresses:
        plugs = [{nic.plug: nic.source or True} for nic in flags.plugs]
    if len(flags.addresses) > len(plugs):
        raise RecipeError(
            f"There are {len(flags.addresses)} '--addresses' for {len(plugs)} NICs.",
            hint="Each belongs to the '--bridge' or '--network' at its place; 'dhcp' is an answer too.",
        )
    first = True
    for plug, addresses in zip(plugs, (*flags.addresses, *[DHCP] * len(plugs)), strict=False):
        if addresses == DHCP:
            yield plug
            continue
        servers = {"dns": list(flags.dns)} | ({"gateway": flags.gateway} if flags.gateway else {})
        yield {**plug, "addresses": addresses, **(servers if first else {})}
        first = False
    if first and (flags.gateway or flags.dns):
        raise RecipeError("A gateway and DNS servers need '--addresses'; with DHCP they come from the server.")


def _with_files(fleet: Fleet, folder: Path) -> Fleet:
    """Return the fleet with the text of keys and files in place; paths are relative to `folder`."""
    wrong: list[str] = []
    defaults = _filled(fleet.defaults, folder, "defaults", wrong)
    groups = {name: _filled(group, folder, f"groups.{name}", wrong) for name, group in fleet.groups.items()}
    machines = {name: _filled(machine, folder, place_of(name), wrong) for name, machine in fleet.machines.items()}
    if wrong:
        raise RecipeError(f"The fleet '{fleet.name}' names files that are not what it needs.", details=wrong)
    return fleet.model_copy(update={"defaults": defaults, "groups": groups, "machines": machines})


def _filled(shape: AnyShape, folder: Path, key: str, wrong: list[str]) -> AnyShape:
    update: dict[str, Any] = {}
    if shape.template and is_disk(shape.template):
        update["template"] = str((folder / in_home(shape.template)).absolute())
    if "root" in shape.model_fields_set:
        update["root"] = _login(shape.root, folder, f"{key}.root", wrong)
    if "users" in shape.model_fields_set:
        update["users"] = tuple(
            _login(user, folder, f"{key}.users.{index}", wrong) for index, user in enumerate(shape.users)
        )
    if "files" in shape.model_fields_set:
        update["files"] = tuple(
            _file(file, folder, f"{key}.files.{index}", wrong) for index, file in enumerate(shape.files)
        )
    return shape.model_copy(update=update)


def _login(login: AnyLogin, folder: Path, key: str, wrong: list[str]) -> AnyLogin:
    keys = list(login.keys)
    for index, name in enumerate(login.key_files):
        keys += _keys(folder / in_home(name), f"{key}.key_files.{index}", wrong)
    # What it does not say stays unsaid, because the defaults say that.
    update: dict[str, Any] = {"key_files": ()}
    if {"keys", "key_files"} & login.model_fields_set:
        update["keys"] = tuple(dict.fromkeys(keys))
    password = login.password
    if password is not None and password.file is not None:
        update["password"] = SecretSource(file=str(folder / in_home(password.file)))
    return login.model_copy(update=update)


def _keys(path: Path, key: str, wrong: list[str]) -> list[str]:
    """Return the public keys in a file; lines that are none are told of by number, as they may be a private key's."""
    keys = []
    for number, line in enumerate(_text(path, key, wrong).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            keys.append(_KEY.validate_python(line.strip()))
        except ValidationError:
            wrong.append(f"{key}: line {number} of '{path}' is no public key")
            break
    return keys


def _file(file: File, folder: Path, key: str, wrong: list[str]) -> File:
    if file.source is None:
        return file
    text = _text(folder / in_home(file.source), f"{key}.source", wrong)
    return file.model_copy(update={"text": text, "source": None})


def _text(path: Path, key: str, wrong: list[str]) -> str:
    """Return what a small file holds; a fault is added where that cannot be."""
    try:
        with open_regular(path) as file:
            data = file.read(LONGEST_FILE + 1)
        text = data.decode()
    except OSError as error:
        wrong.append(f"{key}: '{path}' cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        wrong.append(f"{key}: '{path}' is no text in UTF-8")
    else:
        if len(data) <= LONGEST_FILE and "\0" not in text:
            return text
        wrong.append(f"{key}: '{path}' is larger than 1 MiB, or no text")
    return ""
