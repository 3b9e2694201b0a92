"""Whether the media are those that the recipe needs: the edition, its language, and drivers that Windows loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imgpipe.errors import PluginError, RecipeError
from imgpipe.os_family import Inspected, MediumContent, System, Unattended
from imgpipe_windows.media.virtio import driver_faults, driver_notes
from imgpipe_windows.media.wim import Image, read_images
from imgpipe_windows.prepare import Expected
from imgpipe_windows.systems import RELEASES, VIRTIO, Release


def inspect(system: System, answer: Unattended, media: Mapping[str, MediumContent]) -> Inspected:
    """Compare the media with what the recipe asks for; everything that is wrong is told at once."""
    release, expected = RELEASES[system.name], answer.expects
    if not isinstance(expected, Expected):
        raise PluginError(f"The plan of '{system.name}' does not say what its media must hold.")
    try:
        images = read_images(media[""])
    except RecipeError as error:
        faults, notes = [str(error).rstrip(".")], []
    else:
        chosen = _chosen(images, expected)
        faults = list(_image_faults(images, chosen, expected, release))
        notes = [f"Windows is installed from image {chosen}."] if chosen else []
    drivers = media.get(VIRTIO)
    if drivers is not None:
        faults += driver_faults(drivers, release, expected.unsigned_drivers_reason)
        notes += driver_notes(drivers, release)
    return Inspected(faults=tuple(faults), notes=tuple(notes))


def _chosen(images: tuple[Image, ...], expected: Expected) -> Image | None:
    """Return the image that Setup will take; it compares names without regard to case."""
    if expected.image_index:
        return next((image for image in images if image.index == expected.image_index), None)
    return next((image for image in images if image.name.lower() == expected.edition.lower()), None)


def _image_faults(
    images: tuple[Image, ...], chosen: Image | None, expected: Expected, release: Release
) -> Iterator[str]:
    if chosen is None:
        wanted = f"image {expected.image_index}" if expected.image_index else f"edition '{expected.edition}'"
        yield f"options.edition: there is no {wanted}; it has {'; '.join(map(str, images)) or 'no image at all'}"
        return
    title = release.system.title
    first, last = release.builds
    if chosen.build and not first <= chosen.build <= last:
        yield f"image {chosen} is not {title}, whose builds are {first} to {last}"
    elif chosen.build and chosen.is_server != (release.kind == "server"):
        yield f"image {chosen} is a {'server' if chosen.is_server else 'client'}, which {title} is not"
    if chosen.architecture and chosen.architecture != "x64":
        yield f"image {chosen} is not for x64"
    if chosen.languages and expected.language not in chosen.languages:
        there = ", ".join(chosen.languages)
        yield f"options.language: image {chosen.index} does not hold '{expected.language}'; it holds {there}"
    if expected.volume_key and chosen.edition_id.lower().endswith("eval"):
        yield f"options.key: image {chosen} is an evaluation, which takes no setup key; set options.key = 'none'"
