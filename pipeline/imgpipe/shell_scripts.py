"""The commands of a shell script, read as a shell reads them and not line by line.

What stands in quotes, here-documents, comments, patterns of `case`, lists of `for` and values of variables is no
command. The grammar is that of tree-sitter-bash, which reads on behind what it cannot read; what comes after such a
place is not certain. See docs/decisions/shell-parser.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "rbash", "sh", "zsh"})
"""The last part of the path of an interpreter whose scripts are read here."""

_LANGUAGE = Language(tree_sitter_bash.language())
_PREFIXES = frozenset({"builtin", "command", "env", "exec", "nice", "nohup", "setsid", "sudo", "time"})
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_DIRECTORY = re.compile(r"(?:/usr)?(?:/local)?/s?bin/")
_INLINE_DEEPEST = 4
# What runs perhaps, later or often: a command in it is not certain to run once the script gets there.
_PERHAPS = frozenset({"case_item", "do_group", "elif_clause", "else_clause", "function_definition"})
_REDIRECTS = frozenset({"file_redirect", "heredoc_redirect", "herestring_redirect"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellCommand:
    """A simple command without assignments and prefixes such as `sudo`; its name is without a folder of programs.

    `line` counts from 1. `writes` has the files that its output is redirected to. `certain` says that it runs whenever
    the script gets to its end; else it stands in a branch, a loop or a function, or behind what could not be read.
    `within` has the words in front of the shell that runs it, of `in-target sh -c '...'` the first.
    """

    line: int
    words: tuple[str, ...]
    writes: tuple[str, ...] = ()
    certain: bool = True
    within: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The command as one line for patterns: blanks stand between words alone, and '>' before written files."""
        words = [*self.words, *(f">{path}" for path in self.writes)]
        return " ".join(re.sub(r"\s", "\x1f", word) or "''" for word in words)

    def after(self, *prefix: str) -> ShellCommand:
        """Return the command that this one runs by its first words, such as `in-target`; itself if it has others."""
        if self.words[: len(prefix)] != prefix:
            return self
        return replace(self, words=_unprefixed(self.words[len(prefix) :]), within=(*self.within, *prefix))


def shell_commands(script: str) -> tuple[ShellCommand, ...]:
    """Return the commands of a script, also those in substitutions and behind `sh -c`, by line."""
    return tuple(_read(script, 0))


def unread_line(script: str) -> int:
    """Return the first line, from 1, that could not be read, so that what follows is not certain; 0 if all could be."""
    nodes = _all(Parser(_LANGUAGE).parse(script.encode("utf-8", "replace")).root_node)
    return min((node.start_point.row + 1 for node in nodes if node.is_error or node.is_missing), default=0)


def is_shell(interpreter: str) -> bool:
    """Say whether an interpreter, by its path, is a shell."""
    return (interpreter.split() or [""])[0].rpartition("/")[2] in SHELLS


def _read(script: str, depth: int) -> Iterator[ShellCommand]:
    # Its offsets are bytes, and it takes a lone surrogate for no text at all.
    source = script.encode("utf-8", "replace")
    root = Parser(_LANGUAGE).parse(source).root_node
    unread = min((node.start_byte for node in _all(root) if node.is_error or node.is_missing), default=len(source) + 1)
    functions = {_source(node.child_by_field_name("name")) for node in _all(root) if node.type == "function_definition"}
    over = False
    for node in _all(root):
        if node.type != "command":
            continue
        command = _command(node)
        if not command.words or command.words[0] in functions:
            continue
        certain = not over and node.end_byte <= unread and _runs(node)
        command = replace(command, certain=certain)
        yield command
        if depth < _INLINE_DEEPEST:
            yield from _inline(command, depth)
        over = over or (certain and command.words[0] in {"exit", "return"})


def _inline(command: ShellCommand, depth: int) -> Iterator[ShellCommand]:
    """Yield the commands of a script in an argument: `sh -c`, `eval`, also behind what runs another command."""
    words = command.words
    for index, word in enumerate(words[:-1]):
        shell = is_shell(word) and re.fullmatch(r"-[a-z]*c", words[index + 1]) and index + 2 < len(words)
        if shell or (word == "eval" and index == 0):
            script = words[index + 2] if shell else " ".join(words[1:])
            for inner in _read(script, depth + 1):
                yield replace(
                    inner,
                    line=command.line + inner.line - 1,
                    certain=inner.certain and command.certain,
                    within=(*command.within, *words[:index], *inner.within),
                )
            return


def _command(node: Node) -> ShellCommand:
    words: list[str] = []
    writes: list[str] = []
    for child in node.children:
        if child.type == "command_name":
            words.append("".join(_value(part) for part in child.children))
        elif child.type in _REDIRECTS:
            writes += _writes(child)
        elif child.is_named and child.type not in {"variable_assignment", "comment"}:
            words.append(_value(child))
    for statement in _redirected(node):
        writes += [path for child in statement.children if child.type in _REDIRECTS for path in _writes(child)]
    return ShellCommand(line=node.start_point.row + 1, words=_unprefixed(tuple(words)), writes=tuple(writes))


def _redirected(node: Node) -> Iterator[Node]:
    """Yield the statements whose redirections are a command's: around it, or around a pipeline that it ends."""
    while (parent := node.parent) is not None:
        if parent.type == "redirected_statement":
            yield parent
        elif parent.type not in {"pipeline", "list"} or node != parent.children[-1]:
            return
        node = parent


def _writes(redirect: Node) -> Iterator[str]:
    for part in (redirect, *redirect.children):
        if part.type == "file_redirect" and any(">" in _source(child) for child in part.children if not child.is_named):
            target = part.child_by_field_name("destination")
            if target is not None:
                yield _value(target)


def _unprefixed(words: tuple[str, ...]) -> tuple[str, ...]:
    while words:
        name = _DIRECTORY.sub("", words[0])
        if not _ASSIGNMENT.match(name) and (name not in _PREFIXES or len(words) == 1):
            return (name, *words[1:])
        words = words[1:]
        while words[1:] and words[0].startswith("-"):
            words = words[1:]
    return words


def _value(node: Node) -> str:
    """Return a word as the command gets it; what only the running shell knows stays as it is written."""
    match node.type:
        case "raw_string":
            return _source(node)[1:-1]
        case "string":
            return re.sub(r'\\([$`"\\]|\n)', lambda found: found[1].strip("\n"), _source(node)[1:-1])
        case "concatenation":
            return "".join(_value(child) for child in node.children)
        case "word":
            return re.sub(r"\\(.)", lambda found: found[1].strip("\n"), _source(node), flags=re.DOTALL)
        case _:
            return _source(node)


def _runs(node: Node) -> bool:
    """Say whether a command runs whenever the script gets to where it begins."""
    while node.parent is not None:
        parent = node.parent
        if parent.type in _PERHAPS or (parent.type == "list" and node != parent.children[0]):
            return False
        if parent.type == "if_statement" and _is_then(node, parent):
            return False
        node = parent
    return True


def _is_then(node: Node, statement: Node) -> bool:
    then = next((child for child in statement.children if child.type == "then"), None)
    return then is not None and node.start_byte > then.start_byte


def _all(root: Node) -> Iterator[Node]:
    """Yield every node, in the order of the text; no recursion, for scripts may be nested at will."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(node.children)


def _source(node: Node | None) -> str:
    return (node.text or b"").decode("utf-8", "replace") if node else ""
