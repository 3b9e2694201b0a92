"""`imgpipe import`: a golden image of a disk or machine that is already there."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imgpipe.cli import context
from imgpipe.cli.completion import complete_domain, complete_recipe
from imgpipe.cli.option_table import YES, with_options

if TYPE_CHECKING:
    from imgpipe.artifacts import GoldenImage


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What `imgpipe import` was given."""

    name: Annotated[str, typer.Argument(help="The name of the image, such as rocky9-tmp-4c2g15g.")]
    disk: Annotated[Path | None, typer.Option(help="A qcow2 or raw disk; it is copied, never changed.")] = None
    domain: Annotated[
        str | None,
        typer.Option(
            help="A libvirt machine; it must be shut off and is never changed.", autocompletion=complete_domain
        ),
    ] = None
    form: Annotated[
        Literal["qcow2", "raw"] | None,
        typer.Option("--format", help="The format of the disk, if you know it; else it must be beyond doubt."),
    ] = None
    trust_backing: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="The disk's backing files may lie below this folder; may be repeated."),
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            help="The recipe whose checks and sysprep apply; else that of the system found on the disk.",
            autocompletion=complete_recipe,
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help=YES)] = False
    """Read by the launcher."""


def _import_image(options: ImportOptions) -> None:
    """Make a template of an existing disk or libvirt machine: copy, sysprep, verify, publish.

    The NICs of a machine become those of what is deployed from it, where a deploy names none.

    Examples:

      imgpipe import rocky9-tmp --domain vm001

      imgpipe import old-web --disk /var/lib/libvirt/images/web.qcow2 --recipe rocky8

      imgpipe import appliance --disk appliance.img --format raw
    """
    from imgpipe.cli.built import show_image
    from imgpipe.errors import RecipeError
    from imgpipe.importing import require_image_name

    if (options.disk is None) == (options.domain is None):
        raise RecipeError("An import takes either '--disk' or '--domain'.", hint=_ways(options.name))
    if options.domain and options.form:
        raise RecipeError("'--format' is of a '--disk': the format of a machine's disk is in its definition.")
    require_image_name(options.name)
    show_image(_import(options), "imported", as_json=options.as_json)


import_image = with_options(_import_image, ImportOptions)


def _ways(name: str) -> str:
    """Return how an import is written; a disk where the name belongs was meant as a disk."""
    path = Path(name)
    disk = name if "/" in name or path.suffix in {".qcow2", ".raw", ".img"} else "vm001.qcow2"
    image = quote(path.stem if disk == name else name)
    return f"Such as 'imgpipe import {image} --disk {quote(disk)}', or 'imgpipe import {image} --domain vm001'."


def _import(options: ImportOptions) -> GoldenImage:
    """Copy a disk, or a machine's in the format of its definition, and take it through the last three stages."""
    from imgpipe.build import SEALING, seal_and_publish
    from imgpipe.cli.progress import listener
    from imgpipe.cli.readiness import require_for_import, require_support
    from imgpipe.domain_support import dropped
    from imgpipe.events import Note
    from imgpipe.importing import import_disk, imported_plan, with_source_nics
    from imgpipe.workplace import Workplace

    with listener(options.as_json, SEALING) as notify, ExitStack() as ends:
        # The first word comes before libvirt is asked, which may have to be started, and before the disk is read.
        what = f"the disk '{options.disk}'" if options.disk else f"the machine '{options.domain}'"
        notify(Note(text=f"Looking at {what}; it is copied, and never changed."))
        hypervisor = ends.enter_context(closing(context.hypervisor(notify)))
        if hypervisor.local:
            require_for_import(options.name)
        workplace = Workplace(store=context.store(), hypervisor=hypervisor, notify=notify)
        disk, form, xml = options.disk, options.form, ""
        if disk is None:
            disk, form, xml = hypervisor.shut_off_domain(options.domain or "")
        installed = import_disk(options.name, disk, workplace, told=form, trusted=options.trust_backing or ())
        plan = imported_plan(options.name, options.recipe, installed, context.recipe_folders(), context.plugins())
        plan = with_source_nics(plan, options.domain or "", xml) if xml else plan
        features = hypervisor.features(hypervisor.accelerator())
        require_support([(plan.machine, plan.unattended.hardware)], features, f"the import of '{plan.name}'")
        for note in (*plan.notes, *dropped(features, plan.machine, plan.unattended.hardware)):
            notify(Note(text=note))
        return seal_and_publish(plan, installed, context.plugins(), workplace)
