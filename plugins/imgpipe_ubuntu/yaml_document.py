"""YAML with the line of every value, as cloud-init and subiquity read it (PyYAML, YAML 1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from imgpipe.os_family import Fault

Path = tuple[str | int, ...]

_MOST_NODES = 20_000
_DEEPEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """A parsed document; `lines` has the line, from 1, of each mapping key and list item by its path."""

    value: object
    lines: Mapping[Path, int]
    faults: tuple[Fault, ...] = ()

    def line(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_yaml(text: str) -> YamlDocument:
    """Parse `text`; what cannot be parsed becomes a fault, and `value` is then None."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        faults = tuple(_visit(node, lines)) if node is not None else ()
        if any(fault.severity == "error" and fault.line == 0 for fault in faults):
            return YamlDocument(value=None, lines=lines, faults=faults)
        value = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return _refused(line, error.problem or error.context or "it cannot be parsed")
    except yaml.YAMLError as error:
        # Only the reader's own, for characters that YAML does not allow.
        position = getattr(error, "position", 0)
        return _refused(text.count("\n", 0, position) + 1, "it has a character that YAML does not allow")
    except (ValueError, OverflowError) as error:
        # int() says how many digits it takes in words that are Python's.
        reason = "a number in it is too long" if "digits" in str(error) else f"a value cannot be read: {error}"
        return _refused(0, reason)
    except RecursionError:
        return _refused(0, "it is nested too deeply")
    return YamlDocument(value=value, lines=lines, faults=faults)


def _refused(line: int, reason: str) -> YamlDocument:
    return YamlDocument(value=None, lines={}, faults=(Fault(line=line, text=f"This is not YAML: {reason}."),))


def _visit(root: yaml.Node, lines: dict[Path, int]) -> Iterator[Fault]:
    """Note lines and yield duplicate keys; stops at documents whose aliases make them huge or endless."""
    waiting: list[tuple[Path, yaml.Node]] = [((), root)]
    lines[()] = root.start_mark.line + 1
    while waiting:
        path, node = waiting.pop()
        if len(lines) > _MOST_NODES or len(path) > _DEEPEST:
            yield Fault(line=0, text="This document is too large or too deep to be read.")
            return
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                lines[(*path, number)] = item.start_mark.line + 1
                waiting.append(((*path, number), item))
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                line = key.start_mark.line + 1
                if inner in lines and key.value != "<<":
                    yield Fault(line=line, text=f"The key '{inner[-1]}' is there twice; the last one would win.")
                lines[inner] = line
                waiting.append((inner, value))
