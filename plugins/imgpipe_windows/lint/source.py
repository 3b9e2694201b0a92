"""An answer file as a tree in which every element knows its line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

_MOST_CHARACTERS = 4 * 2**20
_DEEPEST = 100


@dataclass(slots=True, kw_only=True)
class Node:
    """An element: its name and namespace, its attributes by 'namespace name', and the text right in it."""

    name: str
    namespace: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node] = field(default_factory=list)
    text: str = ""

    def child(self, *path: str) -> Node | None:
        """Return the first element at a path below, None if there is none."""
        found: Node | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def value(self, *path: str) -> str:
        """Return the text at a path below, without blanks around it; empty if there is none."""
        found = self.child(*path)
        return found.text.strip() if found else ""

    def all(self) -> Iterator[Node]:
        """Yield every element below, in the order of the file."""
        for child in self.children:
            yield child
            yield from child.all()


class Unreadable(Exception):
    """The text is no XML that Setup would read; `line` is where that shows."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line


def parse(text: str) -> Node:
    """Return the root element; raises Unreadable."""
    if len(text) > _MOST_CHARACTERS:
        raise Unreadable(0, "the file is too long for an answer file")
    reader = _Reader()
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise Unreadable(error.lineno, f"this is not well-formed XML: {expat.ErrorString(error.code)}") from None
    return reader.root.children[0]


class _Reader:
    def __init__(self) -> None:
        # The text is ours to decode, whatever its own declaration says.
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.root = Node(name="", namespace="", line=0)
        self._open = [self.root]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        node = Node(name=local, namespace=namespace, line=self.parser.CurrentLineNumber, attributes=attributes)
        if len(self._open) > _DEEPEST:
            raise Unreadable(node.line, "elements are nested too deeply")
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _data(self, text: str) -> None:
        self._open[-1].text += text

    def _doctype(self, *_declaration: object) -> None:
        # Here, before an entity is known: entities of entities grow without bound in an old expat.
        raise Unreadable(self.parser.CurrentLineNumber, "a document type has no place here")
