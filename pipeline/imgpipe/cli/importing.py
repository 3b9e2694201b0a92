"""`imgpipe import`: a golden image of a disk or machine that is already there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.planned import YES, complete_recipe

if TYPE_CHECKING:
    from imgpipe.artifacts import GoldenImage


def import_image(
    name: Annotated[str, typer.Argument(help="The name of the image, such as rocky9-tmp-4c2g15g.")],
    disk: Annotated[Path | None, typer.Option(help="A qcow2 or raw disk; it is copied, never changed.")] = None,
    domain: Annotated[
        str | None, typer.Option(help="A libvirt machine; it must be shut off and is never changed.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="The recipe whose checks and sysprep apply; else that of the system found on the disk.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help=YES)] = False,  # noqa: ARG001 (read by the launcher)
) -> None:
    """Make a template of an existing disk or libvirt machine: copy, sysprep, verify, publish.

    Examples:

      imgpipe import rocky9-tmp --domain vm001

      imgpipe import old-web --disk /var/lib/libvirt/images/web.qcow2 --recipe rocky8
    """
    from imgpipe.cli.built import show_image
    from imgpipe.errors import RecipeError

    if (disk is None) == (domain is None):
        raise RecipeError("An import takes either '--disk' or '--domain'.")
    image = _import(name, disk or (domain or ""), recipe, as_json=as_json)
    show_image(image, "imported", as_json=as_json)


def _import(name: str, source: Path | str, recipe: str | None, *, as_json: bool) -> GoldenImage:
    """Copy the disk at a path, or of the machine of that name, and take it through the last three stages."""
    from imgpipe.build import SEALING, seal_and_publish
    from imgpipe.cli.progress import listener
    from imgpipe.importing import import_disk, imported_plan
    from imgpipe.workplace import Workplace

    with listener(as_json, SEALING) as notify, closing(context.hypervisor(notify)) as hypervisor:
        workplace = Workplace(store=context.store(), hypervisor=hypervisor, notify=notify)
        path = source if isinstance(source, Path) else hypervisor.disk_of_shut_off_domain(source)
        installed = import_disk(name, path, workplace)
        plan = imported_plan(name, recipe, installed, context.recipe_folders(), context.plugins())
        return seal_and_publish(plan, installed, context.plugins(), workplace)
