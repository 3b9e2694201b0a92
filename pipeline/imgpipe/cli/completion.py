"""What is offered to a shell that completes a word: nothing in it may mean anything to the shell.

zsh evaluates the words of an answer, bash puts them on the command line as they are, and names of files, images and
machines may be anybody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgpipe.cli import context

if TYPE_CHECKING:
    from imgpipe.adapters.known_names import Kind

# Not at the start: '-' is an option, '~' and '=' are expanded. Nowhere: blanks, quotes, '\', '$', '*' and their kin.
_HARMLESS = re.compile(r"[\w./][\w./@%+=:,-]*")


def offered(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that begin with `incomplete`; those that a shell would not take as they are, are left out."""
    return [name for name in names if name.startswith(incomplete) and _HARMLESS.fullmatch(name)]


def complete_recipe(incomplete: str) -> list[str]:
    """Complete a recipe's name."""
    return offered(context.recipe_folders().files(), incomplete)


def complete_image(incomplete: str) -> list[str]:
    """Complete `NAME`, and after an `@` its versions."""
    from imgpipe.images import catalog

    store = context.store()
    name, at, _ = incomplete.partition("@")
    found = (f"{name}@{version}" for version in catalog.versions(store, name)) if at else catalog.names(store)
    return offered(found, incomplete)


def complete_template(incomplete: str) -> list[str]:
    """Complete images by name, and fleets' files and disks by path."""
    folder, name = Path(incomplete).parent, Path(incomplete).name
    try:
        beside = sorted(folder.iterdir()) if not incomplete.endswith("/") else sorted(Path(incomplete).iterdir())
    except OSError:
        beside = []
    prefix = "" if incomplete.endswith("/") else name
    files = [str(path) for path in beside if path.name.startswith(prefix) and (path.suffix == ".toml" or path.is_dir())]
    return [*complete_image(incomplete), *offered(files, "")]


def complete_machine(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a machine of imgpipe's."""
    return offered((name for name, _, _ in _machines(called)), incomplete)


def complete_fleet(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a fleet."""
    return offered(sorted({fleet for _, fleet, _ in _machines(called)}), incomplete)


def complete_group(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a group."""
    return offered(sorted({group for _, _, group in _machines(called)}), incomplete)


def complete_domain(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a machine that libvirt has, whoever made it."""
    return offered(_names(called, "machines"), incomplete)


def complete_network(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a network of libvirt's."""
    return offered(_names(called, "networks"), incomplete)


def complete_pool(called: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a storage pool of libvirt's."""
    return offered(_names(called, "pools"), incomplete)


def complete_bridge(incomplete: str) -> list[str]:
    """Complete the name of a bridge of this host's."""
    from imgpipe.adapters import known_names

    return offered(known_names.bridges(), incomplete)


def _names(called: typer.Context, kind: Kind) -> list[str]:
    from imgpipe.adapters import known_names

    return known_names.names(_uri(called), kind)


def _machines(called: typer.Context) -> list[tuple[str, str, str]]:
    from imgpipe.adapters import known_names

    return known_names.machines(_uri(called))


def _uri(called: typer.Context) -> str:
    """Return the connection that the command line names, else that of imgpipe.toml and the environment."""
    from imgpipe.connection_uri import chosen_uri

    return chosen_uri(called.find_root().params.get("connect") or context.settings().connect)
