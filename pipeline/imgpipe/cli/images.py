"""`imgpipe images`: the golden images that were published."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from imgpipe.cli import context, output
from imgpipe.cli.completion import complete_image
from imgpipe.cli.progress import listener
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import stage

# Whatever loads pydantic takes longer than the rest of the command line together: each command imports it when it
# runs.

if TYPE_CHECKING:
    from imgpipe.images.catalog import Catalog, Image

DAY_S = 86400

_NEEDS_ZSTD = (
    "note: '{name}' is compressed with zstd, which Enterprise Linux 8, 9 before 9.4, and QEMU before 5.1 do not read; "
    "'--compression zlib' writes one for them."
)

app = typer.Typer(help="List, check, export and remove golden images.", no_args_is_help=True)


Reference = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@VERSION]", help="The newest version, or exactly this one.", autocompletion=complete_image
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
WithoutLibvirt = Annotated[
    bool,
    typer.Option(
        "--without-libvirt",
        help="Do not ask libvirt who needs what. DANGER: machines whose disks need it lose all their data.",
    ),
]


@app.command("list", epilog="Example: imgpipe images list rocky9 --json")
def list_images(
    name: Annotated[
        str | None, typer.Argument(help="Only the versions of this one.", autocompletion=complete_image)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List all images, the newest version of each first."""
    from imgpipe.cli import image_views

    found = _catalog(name)
    images = found.images
    if name is not None and not (images or found.damages):
        # A version that is named exactly, or a word that must not look like an image without versions: near names are
        # told, and what builds one.
        images = (_find(name),)
    if as_json:
        output.show_json([image_views.summary(image) for image in images])
        return
    output.show_table([image_views.row(image) for image in images], right=("disk", "file"))
    if not images:
        output.tell("No image was published yet.")


@app.command(epilog="Example: imgpipe images show rocky9@20260301.1")
def show(reference: Reference, as_json: AsJson = False) -> None:
    """Show what an image is, what it was made of and what was found true of it."""
    from imgpipe.cli import image_views

    image = _find(reference)
    if as_json:
        output.show_json({**image.manifest.model_dump(mode="json"), "path": str(image.disk)})
        return
    output.show_fields(image_views.fields(image))


@app.command(epilog="Example: imgpipe images verify rocky9; imgpipe images verify --all")
def verify(
    reference: Annotated[str | None, typer.Argument(metavar="[NAME[@VERSION]]", autocompletion=complete_image)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every version of every image.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare an image with its manifest, byte by byte, and list all that is wrong."""
    from imgpipe.images.soundness import faults

    if (reference is None) != every:
        raise RecipeError("'verify' takes an image or '--all'.", hint="'imgpipe images list' shows what there is.")
    results: dict[str, tuple[str, ...]] = {}
    with listener() as notify, stage("verify", notify):
        if reference is not None:
            results[reference] = faults(_find(reference), notify)
        else:
            found = _catalog()
            results |= {str(damage.path): (damage.reason,) for damage in found.damages}
            results |= {image.reference: faults(image, notify) for image in found.images}
    if as_json:
        output.show_json([{"image": name, "sound": not wrong, "faults": wrong} for name, wrong in results.items()])
    else:
        output.show_lines(f"{name}: sound" for name, wrong in results.items() if not wrong)
    if wrong := [f"{name}: {fault}" for name, told in results.items() for fault in told]:
        raise HostError("Not every image is what its manifest says.", hint="Build it again.", details=wrong)


@app.command(epilog="Example: imgpipe images export rocky9 --to /srv/rocky9.vmdk --format vmdk")
def export(  # noqa: PLR0913, PLR0917 (typer's way: an option each)
    reference: Reference,
    to: Annotated[Path, typer.Option("--to", "-o", help="A file, or a folder that exists.")] = Path(),
    form: Annotated[Literal["qcow2", "raw", "vmdk", "vhdx"], typer.Option("--format", "-f")] = "qcow2",
    compression: Annotated[
        Literal["zstd", "zlib"] | None,
        typer.Option(help="Compress a qcow2 anew; every QEMU reads zlib.", show_default=False),
    ] = None,
    compat: Annotated[
        Literal["1.1", "0.10"] | None,
        typer.Option(help="The oldest QEMU that shall read a qcow2; before 1.1: '0.10'.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write an image to a file of its own, with its sha256 beside it.

    Images are compressed with zstd where QEMU has it. Older hosts do not read that: '--compression zlib'. Very old
    ones, and other programs that read qcow2, need its version 2 too: '--compat 0.10', which is zlib.
    """
    from imgpipe.adapters.image_headers import is_zstd
    from imgpipe.images.export import Encoding
    from imgpipe.images.export import export as write

    image = _find(reference)
    with listener() as notify, stage("export", notify):
        encoding = Encoding(form=form, compression=compression, compat=compat)
        written = write(image, to, notify, encoding, force=force)
    if form == "qcow2" and is_zstd(written.path):
        output.tell(_NEEDS_ZSTD.format(name=written.path.name))
    if as_json:
        output.show_json({"path": str(written.path), "sha256": written.sha256})
    else:
        output.show_line(str(written.path))


@app.command(epilog="Example: imgpipe images prune --keep 3 --unused 14")
def prune(  # noqa: PLR0913, PLR0917 (typer's way: an option each)
    keep: Annotated[int, typer.Option(min=1, help="How many versions of each image stay.")] = 3,
    unused: Annotated[int, typer.Option(min=1, metavar="DAYS", help="Work not touched for so long goes.")] = 30,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    leftovers: Annotated[bool, typer.Option("--leftovers", help="Only what killed builds left.")] = False,
    without_libvirt: WithoutLibvirt = False,
    as_json: AsJson = False,
) -> None:
    """Remove old versions that no disk needs, what killed builds left, and old work.

    Refused where it cannot be known who needs what.
    """
    from imgpipe.images import retire
    from imgpipe.sizes import show_bytes

    store = context.store()
    if leftovers:
        _prune_leftovers(yes=yes, dry_run=dry_run, without_libvirt=without_libvirt, as_json=as_json)
        return
    _tell_of_users()
    used = context.in_use_by(store, without_libvirt=without_libvirt)
    # What is no sound image is told of, and stays.
    _catalog()
    found = retire.prunable(store, used, keep=keep, unused_s=unused * DAY_S)
    names, room = found.names(store), found.room
    for kept in found.kept:
        output.tell(f"kept: {kept.image.reference} is needed by {', '.join(kept.users[:5])}")
    removed: list[str] = []
    if names and not dry_run:
        output.confirm(f"Remove {', '.join(names)} ({show_bytes(room)})?", yes=yes)
        now = context.in_use_by_now(store, without_libvirt=without_libvirt)
        removed = list(retire.prune(store, found, now))
        _tell_kept(names, removed)
    if as_json:
        kept_names = {kept.image.reference: kept.users for kept in found.kept}
        output.show_json({"found": names, "removed": removed, "kept": kept_names, "bytes": room})
        return
    output.show_lines(names if dry_run else removed)
    output.tell(f"{show_bytes(room)} {'would be' if dry_run else 'were'} freed." if names else "Nothing to remove.")


def _tell_kept(names: Iterable[str], removed: Collection[str]) -> None:
    for name in names:
        if name not in removed:
            output.tell(f"kept: {name} is in use")


def _prune_leftovers(*, yes: bool, dry_run: bool, without_libvirt: bool, as_json: bool) -> None:
    from imgpipe.images import retire
    from imgpipe.sizes import show_bytes

    store = context.store()
    found = retire.leftovers(store)
    names, room = retire.leftover_names(store, found), retire.room_of(found)
    removed: list[str] = []
    if names and not dry_run:
        output.confirm(f"Remove {', '.join(names)} ({show_bytes(room)})?", yes=yes)
        now = context.in_use_by_now(store, without_libvirt=without_libvirt)
        removed = list(retire.remove_leftovers(store, found, now))
        _tell_kept(names, removed)
    if as_json:
        output.show_json({"found": names, "removed": removed, "kept": {}, "bytes": room})
        return
    output.show_lines(names if dry_run else removed)
    output.tell(f"{show_bytes(room)} {'would be' if dry_run else 'were'} freed." if names else "Nothing to remove.")


@app.command(epilog="Example: imgpipe images rm rocky9@20260301.1 --yes")
def rm(
    references: Annotated[
        list[str],
        typer.Argument(metavar="NAME@VERSION...", help="Exact versions.", autocompletion=complete_image),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    without_libvirt: WithoutLibvirt = False,
    as_json: AsJson = False,
) -> None:
    """Remove versions; refused while a machine's or a volume's disk needs one, and where that cannot be known."""
    from imgpipe.images import retire

    vague = [reference for reference in references if "@" not in reference]
    if vague:
        known = [image.reference for image in _catalog(vague[0]).images] or [_find(vague[0]).reference]
        hint = f"Name it, such as 'imgpipe images rm {known[0]}'."
        raise RecipeError(f"'{vague[0]}' does not say which version.", hint=hint, details=known)
    images = [_find(reference) for reference in dict.fromkeys(references)]
    store = context.store()
    output.confirm(f"Remove {', '.join(image.reference for image in images)}?", yes=yes)
    used = context.in_use_by_now(store, without_libvirt=without_libvirt)
    for image in images:
        retire.remove(store, image, used)
        output.tell(f"removed: {image.reference}")
    if as_json:
        output.show_json({"removed": [image.reference for image in images]})


def _tell_of_users() -> None:
    output.tell("Asking which machines and disks need which image.")


def _catalog(name: str | None = None) -> Catalog:
    from imgpipe.images import catalog

    found = catalog.read_catalog(context.store(), name)
    for damage in found.damages:
        output.tell(f"warning: '{damage.path}' is no sound image: {damage.reason}")
    return found


def _find(reference: str) -> Image:
    from imgpipe.images import catalog

    return catalog.find(context.store(), reference)
