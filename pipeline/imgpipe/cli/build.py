"""`imgpipe build`: from a recipe to a golden image."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.completion import complete_recipe
from imgpipe.cli.option_table import YES

if TYPE_CHECKING:
    from imgpipe.artifacts import GoldenImage
    from imgpipe.events import Listener
    from imgpipe.plan import Plan


def build(
    recipe: Annotated[
        str,
        typer.Argument(help="A recipe's name, with a size if you like, or its file.", autocompletion=complete_recipe),
    ],
    media: Annotated[
        list[str] | None,
        typer.Option(help="The ISO: a path, a name, a URL, or 'stand-in'; NAME=... a further one.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=YES)] = False,  # noqa: ARG001 (read by the launcher)
) -> None:
    """Build a golden image, unattended: install, sysprep, verify, publish.

    What an earlier run finished is reused; with nothing changed a build ends at once. The demo needs no ISO: its
    medium is made from packages, and the same 'stand-in' rehearses the recipes of the kickstart family.

    Examples:

      imgpipe build demo

      imgpipe build rocky9-4c2g15g

      imgpipe build rocky9 --media ~/Rocky-9.7-x86_64-minimal.iso

      imgpipe build rocky9-4c2g15g --media stand-in

      imgpipe build win2016 --media windows.iso --media virtio=virtio-win-0.1.285.iso
    """
    from imgpipe.build import STAGES
    from imgpipe.cli.built import show_image
    from imgpipe.cli.planned import plan_named
    from imgpipe.cli.progress import listener

    plan = plan_named(recipe, planned=False)
    with listener(as_json, STAGES) as show:
        image, state = _run(plan, media or [], show)
    show_image(image, state, as_json=as_json)


def _run(plan: Plan, media: list[str], show: Listener) -> tuple[GoldenImage, str]:
    """Build, or find that it was built; libvirt is not even asked where nothing is to be done."""
    from imgpipe.build import build as run
    from imgpipe.build import published
    from imgpipe.cli.planned import find_medium
    from imgpipe.cli.readiness import require_for_build
    from imgpipe.events import Event, Note
    from imgpipe.workplace import Workplace

    def notify(event: Event) -> None:
        show(event)
        context.plugins().notify(event)

    for note in plan.notes:
        notify(Note(text=note))
    medium = find_medium(plan, media, notify)
    store = context.store()
    if image := published(plan, medium, store):
        return image, "unchanged"
    with closing(context.hypervisor(notify)) as hypervisor:
        features = hypervisor.features(hypervisor.accelerator())
        for without in require_for_build(plan, features, medium):
            notify(Note(text=without))
        outcome = run(plan, medium, context.plugins(), Workplace(store=store, hypervisor=hypervisor, notify=notify))
    return outcome.image, "unchanged" if outcome.reused else "built"
