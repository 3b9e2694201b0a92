"""`imgpipe import`: a golden image of a disk or machine that is already there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgpipe.cli import context
from imgpipe.cli.planned import complete_recipe


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
) -> None:
    """Make a template of an existing disk or libvirt machine: copy, sysprep, verify, publish.

    Examples:

      imgpipe import rocky9-tmp --domain vm001

      imgpipe import old-web --disk /var/lib/libvirt/images/web.qcow2 --recipe rocky8
    """
    from contextlib import closing

    from imgpipe.build import SEALING, seal_and_publish
    from imgpipe.cli.built import show_image
    from imgpipe.cli.progress import listener
    from imgpipe.errors import RecipeError
    from imgpipe.importing import import_disk, imported_plan
    from imgpipe.workplace import Workplace

    if (disk is None) == (domain is None):
        raise RecipeError("An import takes either '--disk' or '--domain'.")
    with listener(as_json, SEALING) as notify, closing(context.hypervisor(notify)) as hypervisor:
        workplace = Workplace(store=context.store(), hypervisor=hypervisor, notify=notify)
        source = disk if disk is not None else hypervisor.disk_of_shut_off_domain(domain or "")
        installed = import_disk(name, source, workplace)
        plan = imported_plan(name, recipe, installed, context.recipe_folders(), context.plugins())
        image = seal_and_publish(plan, installed, context.plugins(), workplace)
    show_image(image, "imported", as_json=as_json)
