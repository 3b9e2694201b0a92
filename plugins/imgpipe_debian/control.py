"""What follows from the fields of Debian's package indexes."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from imgpipe.host.deb822 import stanzas

Stanza = Mapping[str, str]


def packages(text: str) -> dict[str, dict[str, str]]:
    """Return the paragraphs of a package index by name; the last one of a name wins."""
    return {fields["package"]: fields for fields in stanzas(text) if "package" in fields}


def names(field: str) -> list[list[str]]:
    """Return the names in a relation field: a list of alternatives for each comma, versions left out."""
    groups = [group for group in field.replace("\n", " ").split(",") if group.strip()]
    return [[word.split()[0] for word in group.split("|") if word.split()] for group in groups]


def closure(roots: Iterable[str], index: Mapping[str, Stanza], present: Container[str]) -> list[str]:
    """Return `roots` and what they need from `index`, in the order it was found.

    What is in `present` is not needed, and a virtual name that nobody in `index` is called after is left
    to whoever provides it: the installer's own packages have no versions to choose between.
    """
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop(0)
        if name in found or name in present or name not in index:
            continue
        found[name] = None
        for alternatives in names(index[name].get("depends", "")):
            if not any(other in present or other in found for other in alternatives):
                waiting.append(alternatives[0])
    return list(found)
