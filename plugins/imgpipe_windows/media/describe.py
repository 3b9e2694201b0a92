"""What a medium of Windows is: its ISO names itself by a code ('SSS_X64FREV_EN-US_DV9'), its images say the rest.

`sources/ei.cfg`, where there is one, has the channel that the medium was made for in the line behind `[Channel]`
('Volume', 'Retail', 'OEM', 'Eval'); Microsoft's manual of Windows Setup describes the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.errors import ImgpipeError
from imgpipe.os_family import Described, MediumContent
from imgpipe_windows.media.virtio import version_of
from imgpipe_windows.media.wim import PATTERNS, Image, read_images
from imgpipe_windows.systems import RELEASES, VIRTIO_WIN

_CHANNEL = "sources/ei.cfg"
_CHANNELS = {"volume": "for volume licences", "retail": "retail", "oem": "for OEMs", "eval": "an evaluation"}
_MOST_LANGUAGES = 3


def describe(medium: MediumContent) -> Described | None:
    """Return what a medium of Windows or of its drivers is; None for any other."""
    if medium.glob(VIRTIO_WIN.identity.landmark):
        return Described(title=f"virtio-win {version_of(medium)}".rstrip() + ", drivers for Windows")
    if not any(map(medium.is_file, PATTERNS)):
        return None
    try:
        images = read_images(medium)
    except ImgpipeError:
        return Described(title="Windows, whose images cannot be read")
    taking = {name: release.system.title for name, release in RELEASES.items() if any(_is_of(images, name))}
    return Described(title=", ".join(_words(medium, images, taking)), systems=tuple(taking))


def _is_of(images: tuple[Image, ...], name: str) -> Iterator[bool]:
    """Say of each image whether it is one of a release's."""
    release = RELEASES[name]
    first, last = release.builds
    for image in images:
        yield first <= image.build <= last and image.is_server == (release.kind == "server")


def _words(medium: MediumContent, images: tuple[Image, ...], taking: dict[str, str]) -> Iterator[str]:
    yield " and ".join(taking.values()) or "a Windows that imgpipe does not install"
    if builds := sorted({image.build for image in images if image.build}):
        yield f"build {' and '.join(map(str, builds))}"
    languages = list(dict.fromkeys(language for image in images for language in image.languages))
    yield from languages[:_MOST_LANGUAGES]
    yield f"{len(images)} edition{'s' * (len(images) != 1)}"
    if channel := _channel(medium):
        yield channel


def _channel(medium: MediumContent) -> str:
    """Return what the medium's channel means; empty where it has none that is known."""
    try:
        text = (medium.read(_CHANNEL) or b"").decode("utf-8-sig", "replace")
    except ImgpipeError:
        return ""
    lines = [line.strip().lower() for line in text.splitlines() if line.strip()]
    following = lines[lines.index("[channel]") + 1 :] if "[channel]" in lines else []
    return _CHANNELS.get(following[0], "") if following else ""
