"""Commands with many options: a frozen dataclass has them, and typer sees its fields as the command's own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Options = TypeVar("Options")

YES = "Let ./imgpipe install missing packages of the host without asking."
"""The help of '--yes' where the launcher reads it."""


def with_options(run: Callable[[Options], None], table: type[Options]) -> Callable[..., None]:
    """Return `run` as a function whose parameters are the fields of `table`, annotated as typer wants them."""

    def command(**values: Any) -> None:  # noqa: ANN401 (each has the type that `table` says)
        run(table(**values))

    hints = get_type_hints(table, include_extras=True)
    parameters = inspect.signature(table).parameters.values()
    command.__name__ = run.__name__
    command.__doc__ = run.__doc__
    command.__annotations__ = hints
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(annotation=hints[parameter.name]) for parameter in parameters]
    )
    return command
