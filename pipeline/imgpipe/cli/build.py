"""`imgpipe build`: from a recipe to a golden image."""

from __future__ import annotations

from typing import Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.planned import complete_recipe

_EXAMPLES = """Examples:

  imgpipe build demo                                 # needs no ISO: the medium is made from packages

  imgpipe build rocky9-4c2g15g                       # 4 vCPU, 2 GiB of memory, 15 GiB of disk

  imgpipe build rocky9 --media ~/Rocky-9.7-x86_64-minimal.iso

  imgpipe build rocky9-4c2g15g --media stand-in      # rehearse it without a Rocky ISO
"""


def build(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe's name, with a size if you like, or its file.", autocompletion=complete_recipe),
    ],
    media: Annotated[
        str | None,
        typer.Option(help="The ISO: a path, a name in the media folders, a URL, or 'stand-in'.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
) -> None:
    """Build a golden image, unattended: install, sysprep, verify, publish.

    What an earlier run finished is reused; with nothing changed a build ends at once.
    """
    from contextlib import closing

    from imgpipe.build import STAGES, published
    from imgpipe.build import build as run
    from imgpipe.cli.built import show_image
    from imgpipe.cli.planned import find_medium, plan_named
    from imgpipe.cli.progress import listener
    from imgpipe.events import Note
    from imgpipe.workplace import Workplace

    plan = plan_named(recipe)
    with listener(as_json, STAGES) as show:

        def notify(event: object) -> None:
            show(event)  # type: ignore[arg-type]
            context.plugins().notify(event)  # type: ignore[arg-type]

        for note in plan.notes:
            notify(Note(text=note))
        medium = find_medium(plan, media, notify)
        store = context.store()
        if image := published(plan, medium, store):
            show_image(image, "unchanged", as_json=as_json)
            return
        with closing(context.hypervisor(notify)) as hypervisor:
            workplace = Workplace(store=store, hypervisor=hypervisor, notify=notify)
            outcome = run(plan, medium, context.plugins(), workplace)
    show_image(outcome.image, "unchanged" if outcome.reused else "built", as_json=as_json)


build.__doc__ = f"{build.__doc__}\n\n{_EXAMPLES}"
