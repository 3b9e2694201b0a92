"""`imgpipe plan`: every decision of a build, without building."""

from __future__ import annotations

from typing import Annotated

import typer

from imgpipe.cli.completion import complete_recipe


def plan(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe's name, with a size if you like, or its file.", autocompletion=complete_recipe),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
    answer_file: Annotated[
        bool,
        typer.Option("--answer-file", help="Print the answer file instead, whole: with hashes, and what URLs hold."),
    ] = False,
) -> None:
    """Print what a build would do; nothing is touched. Secrets stand in the answer file alone.

    In words it also says what the machines would do without here, if a libvirt runs that can be asked.

    Examples:

      imgpipe plan rocky9-4c2g15g

      imgpipe plan debian13 --json | jq .machine

      imgpipe plan rocky9 --answer-file > ks.cfg
    """
    from imgpipe.cli.output import show_file, show_json, show_text
    from imgpipe.cli.plan_text import describe
    from imgpipe.cli.planned import attached_cds, plan_named
    from imgpipe.cli.readiness import without_on_this_host
    from imgpipe.plan import show

    made = plan_named(recipe)
    if answer_file:
        show_file(made.unattended.seed.files[0].text)
    elif as_json:
        show_json(show(made))
    else:
        show_text(describe(made, attached_cds(made), without_on_this_host(made)))
