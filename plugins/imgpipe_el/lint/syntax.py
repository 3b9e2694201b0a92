"""What pykickstart finds, for every line: its own parser prints errors, or stops at the first one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from imgpipe.os_family import Fault
from imgpipe_el.lint.language import language_of
from imgpipe_el.lint.pykickstart_offline import KickstartError, KickstartParser
from imgpipe_el.lint.source import Command, Kickstart, Section, package_of
from imgpipe_el.release import Installer

# What pykickstart's commands raise on text that they did not expect, besides its own errors.
REFUSALS = (KickstartError, ValueError, TypeError, AttributeError, KeyError, IndexError)

_ADVICE = (
    (r"--noactivate\b", "The option is spelt '--no-activate'."),
    (r"--percent\b.*--size\b|--size\b.*--percent\b", "Use '--size=N --grow', or '--percent' alone."),
    (r"^\s*install\b", "Drop the line: every kickstart installs."),
    (r"^\s*(auth|authconfig)\b", "Use 'authselect'."),
    (r"^\s*logging\b.*--level", "Drop the option: the installer's log is always complete."),
    (r"--isUtc\b", "Use '--utc'."),
    (r"--(nontp|ntpservers)\b", "Use 'timesource'."),
    (r"--allow-ssh\b", "This release cannot: let sshd's own settings permit root."),
    (r"--exclude-weakdeps\b", "This release spells it '--excludeWeakdeps'."),
    (r"--excludeWeakdeps\b", "Use '--exclude-weakdeps'."),
    (r"--inst-langs\b", "This release spells it '--instLangs'."),
    (r"--instLangs\b", "Use '--inst-langs'."),
    (r"^\s*timesource\b", "This release takes 'timezone --ntpservers=...'."),
    (r"^\s*autostep\b", "Drop the line: an unattended installation has no steps."),
)
# A second key for a user is right: Anaconda adds it to the first. pykickstart compares the users' names alone.
_HARMLESS = re.compile(r"An ssh user with the name .* has already been defined")
# Commands that hold secrets: what pykickstart repeats of their values is not shown.
_SECRETIVE = frozenset({"bootloader", "group", "realm", "rhsm", "rootpw", "sshpw", "user"})


def syntax_faults(kickstart: Kickstart, installer: Installer) -> Iterator[Fault]:
    """Yield what the kickstart language of `installer` has against each line."""
    handler = language_of(installer)
    parser = KickstartParser(handler)

    for command in kickstart.commands:
        handler.currentLine = command.text
        dispatch = partial(handler.dispatcher, list(command.words), command.line)
        for fault in _faults(dispatch, command.line, command.text):
            yield _discreet(fault, command)
    for section in kickstart.sections:
        yield from _section_faults(section, parser)


def _section_faults(section: Section, parser: KickstartParser) -> Iterator[Fault]:
    opening = section.opening
    try:
        known = parser.getSection(section.name)
    except KeyError:
        yield Fault(line=opening.line, text=f"There is no section '{section.name}'.")
        return
    handle = partial(known.handleHeader, opening.line, list(opening.words))
    yield from _faults(handle, opening.line, opening.text)
    if section.name == "%packages":
        for number, line in section.body:
            if name := package_of(line):
                yield from _package_faults(partial(parser.handler.packages.add, [name]), number, name)


def _package_faults(add: Callable[[], object], number: int, name: str) -> Iterator[Fault]:
    if not name.lstrip("-@^"):
        yield Fault(line=number, text=f"No name stands behind '{name}'.")
    else:
        yield from _faults(add, number, name)


def _faults(action: Callable[[], object], line: int, text: str) -> Iterator[Fault]:
    """Yield the error and the warnings that `action` ends in, with advice where there is some for `text`."""
    error = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            action()
        except REFUSALS as refusal:
            # Anaconda ends at them as well, but what they say is about a program and not about the kickstart.
            own = _message(refusal) if isinstance(refusal, KickstartError) else ""
            error = own or "The installer cannot read this line, and ends."
    if error:
        yield Fault(line=line, text=_advised(error, text))
    for warning in caught:
        message = str(warning.message)
        if not _HARMLESS.search(message):
            yield Fault(line=line, text=_advised(_message(message), text), severity="warning")


def _discreet(fault: Fault, command: Command) -> Fault:
    """Return the fault without the values that it repeats, where one of them may be a password."""
    if command.name not in _SECRETIVE:
        return fault
    text = fault.text
    for word in command.words[1:]:
        value = word.partition("=")[2] if word.startswith("-") else word
        if value:
            text = re.sub(rf"(?<=['\"= ]){re.escape(value)}(?=['\"., \]]|$)", "(hidden)", text)
    return replace(fault, text=text)


def _message(problem: object) -> str:
    text = str(getattr(problem, "message", problem))
    sentence = re.sub(r"\bon line \d+\b\s*", "", " ".join(text.split()), count=1).replace(" :", ":")
    # argparse names the Python function that refused a value.
    sentence = re.sub(r"\binvalid \S+ value:", "invalid value:", sentence)
    return sentence if sentence.endswith((".", "!")) or not sentence else f"{sentence}."


def _advised(message: str, text: str) -> str:
    for pattern, advice in _ADVICE:
        if re.search(pattern, text):
            return f"{message} {advice}"
    return message
