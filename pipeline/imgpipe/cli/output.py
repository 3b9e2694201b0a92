"""What commands print: data on stdout, as a table or as JSON; everything else on stderr. No secret is printed.

Readable without colour; rich obeys NO_COLOR (no-color.org) by itself, and is loaded only when a table is shown.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from imgpipe.disclosure import one_line, printable, without_secrets
from imgpipe.errors import RecipeError

_FILLING = re.compile(r" +((?:\x1b\[[0-9;]*m)*)$")
"""Blanks at a line's end, before what ends a colour."""


def show_table(rows: Sequence[Mapping[str, str]], *, right: Sequence[str] = ()) -> None:
    """Print rows as a table whose columns are the first row's keys; the columns in `right` are numbers.

    Through a pipe no line is ever wrapped or shortened, so that it can be searched and cut.
    """
    if not rows:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    console = Console(file=sys.stdout, width=None if terminal else 10_000, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in rows[0]:
        table.add_column(key.upper(), justify="right" if key in right else "left", no_wrap=not terminal)
    for row in rows:
        # Text, because a value with brackets is no markup.
        table.add_row(*(Text(one_line(value)) for value in row.values()))
    with console.capture() as drawn:
        console.print(table)
    # Cells are filled up to their column's width, the last one too.
    lines = drawn.get().removesuffix("\n").split("\n")
    sys.stdout.writelines(_FILLING.sub(r"\1", line) + "\n" for line in lines)


def show_fields(fields: Mapping[str, str]) -> None:
    """Print one thing, a field a line; fields without a value are left out."""
    width = max((len(key) for key in fields), default=0)
    for key, value in fields.items():
        if value:
            show_line(f"{key:<{width}}  {one_line(value)}")


_documents: list[str] = []
_ANSWERS = {"y": True, "yes": True, "n": False, "no": False, "": False}


def has_shown_a_document() -> bool:
    """Say whether this run has printed its JSON document: no second one may follow on stdout."""
    return bool(_documents)


def show_json(value: object) -> None:
    """Print a value as JSON, for programs."""
    _documents[:] = ["shown"]
    sys.stdout.write(without_secrets(json.dumps(value, indent=2)) + "\n")


def show_lines(lines: Iterable[str]) -> None:
    """Print lines of data, one for each, whatever names are in them."""
    sys.stdout.writelines(f"{printable(without_secrets(' '.join(line.splitlines())), sys.maxsize)}\n" for line in lines)


def show_line(text: str) -> None:
    """Print a line of data."""
    show_lines((text,))


def show_text(text: str) -> None:
    """Print text of several lines."""
    sys.stdout.write(f"{printable(without_secrets(text), sys.maxsize)}\n")


def show_file(text: str) -> None:
    """Print a file's content as it is, to a file or a program; a terminal gets it without control characters."""
    sys.stdout.write(f"{printable(text, sys.maxsize) if sys.stdout.isatty() else text}\n")


def pass_on(text: str) -> None:
    """Hand on what a program of the host says, as it comes, to the person who watches."""
    sys.stderr.write(printable(text, sys.maxsize))


def tell(text: str) -> None:
    """Say something to the person who watches."""
    sys.stderr.write(f"{one_line(text)}\n")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is lost; `yes` answers in advance, and no ends the command.

    Raises RecipeError where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise RecipeError("Nobody can be asked here.", hint="Answer in advance with '--yes'.", details=(question,))
    import typer

    # Not typer's own question: it puts a blank on stdout, where data stands.
    answer = "?"
    while answer not in _ANSWERS:
        sys.stderr.write(f"{one_line(question)} [y/N]: ")
        sys.stderr.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:
            # The question's line is still open.
            sys.stderr.write("\n")
        answer = line.strip().lower()
    if not _ANSWERS[answer]:
        raise typer.Abort
