"""A kickstart's text as commands and sections, each with its line, read as Anaconda reads it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgpipe.os_family import Fault

SECTIONS = frozenset(
    {
        "%addon",
        "%anaconda",
        "%certificate",
        "%onerror",
        "%packages",
        "%post",
        "%pre",
        "%pre-install",
        "%traceback",
    }
)
_SCRIPTS = frozenset({"%onerror", "%post", "%pre", "%pre-install", "%traceback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, or a section's opening line, split as a shell would."""

    line: int
    text: str
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The command's or section's name."""
        return self.words[0]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words that are not options."""
        return tuple(word for word in self.words[1:] if not word.startswith("-"))

    def has(self, option: str) -> bool:
        """Whether `option` is given, with or without a value."""
        return any(word == option or word.startswith(f"{option}=") for word in self.words[1:])

    def value(self, option: str) -> str:
        """Return the option's value, from `--option=value` or `--option value`; empty if absent."""
        for index, word in enumerate(self.words):
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
            if word == option and index + 1 < len(self.words):
                return self.words[index + 1]
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section with the lines of its body, each with its number."""

    opening: Command
    body: tuple[tuple[int, str], ...]

    @property
    def name(self) -> str:
        """The section's name, with its percent sign."""
        return self.opening.name

    @property
    def is_script(self) -> bool:
        """Whether the body is a program."""
        return self.name in _SCRIPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Kickstart:
    """What a kickstart consists of; `faults` are what already kept it from being read as meant."""

    commands: tuple[Command, ...]
    sections: tuple[Section, ...]
    includes: tuple[Command, ...]
    faults: tuple[Fault, ...]

    def named(self, *names: str) -> Iterator[Command]:
        """Yield the commands of these names, in order."""
        return (command for command in self.commands if command.name in names)


@dataclass(slots=True)
class _Reader:
    """The state of reading: the section that is open, and what was read so far."""

    commands: list[Command] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    includes: list[Command] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    opening: Command | None = None
    body: list[tuple[int, str]] = field(default_factory=list)

    def close(self, ended: bool) -> None:
        """End the open section; without `%end`, that is a fault of its opening line."""
        if self.opening is None:
            return
        if not ended:
            self.faults.append(
                Fault(line=self.opening.line, text=f"The section '{self.opening.name}' does not end with '%end'.")
            )
        self.sections.append(Section(opening=self.opening, body=tuple(self.body)))
        self.opening, self.body = None, []

    def read(self, number: int, line: str) -> None:
        """Take one line in."""
        first = (line.split() or [""])[0]
        if self.opening is None:
            self._read_command(number, line)
        elif first == "%end":
            self.close(ended=True)
        elif first in SECTIONS:
            self.close(ended=False)
            self._read_command(number, line)
        elif first == "%include":
            self.includes.append(Command(line=number, text=line, words=tuple(line.split())))
        else:
            self.body.append((number, line))

    def _read_command(self, number: int, line: str) -> None:
        if not line.strip() or line.lstrip().startswith("#"):
            return
        try:
            words = tuple(shlex.split(line, comments=True))
        except ValueError as error:
            self.faults.append(Fault(line=number, text=f"The line's quotes do not match: {error}."))
            return
        if not words or not words[0]:
            return
        command = Command(line=number, text=line, words=words)
        if words[0] in {"%include", "%ksappend"}:
            self.includes.append(command)
        elif words[0] == "%end":
            self.faults.append(Fault(line=number, text="This '%end' ends no section."))
        elif words[0].startswith("%"):
            self.opening = command
        else:
            self.commands.append(command)


def read_kickstart(text: str) -> Kickstart:
    """Split a kickstart into its commands and sections; nothing in it is an error here that can be read past."""
    reader = _Reader()
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        reader.read(number, line)
    reader.close(ended=False)
    return Kickstart(
        commands=tuple(reader.commands),
        sections=tuple(reader.sections),
        includes=tuple(reader.includes),
        faults=tuple(reader.faults),
    )


def package_of(line: str) -> str:
    """Return the package, group or environment of a line of %packages; empty if it has none (a blank or a comment)."""
    return line.partition("#")[0].strip()


def text_faults(text: str) -> Iterator[Fault]:
    """Yield what keeps a file from being a kickstart at all: line ends and marks that other systems' editors leave."""
    if text.startswith("\ufeff"):
        yield Fault(line=1, text="The file begins with a byte order mark: the installer takes it for a command.")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.endswith("\r"):
            yield Fault(
                line=number, text="The line ends are those of Windows (CRLF), which no script survives: run 'dos2unix'."
            )
            return
