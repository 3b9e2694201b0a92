"""Publishing: a verified disk becomes a golden image, one immutable version of a name.

The whole version is made in a folder beside and gets its name when all of it is on disk; a publish that is killed
leaves a hidden folder that the next one removes.
"""

from __future__ import annotations

import logging
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from imgpipe import sbom
from imgpipe.adapters import qemu_img
from imgpipe.artifacts import GoldenImage, VerifiedDisk
from imgpipe.description import Published, describe, report
from imgpipe.digest import sha256_of
from imgpipe.errors import HostError
from imgpipe.events import Note, Progress
from imgpipe.images import catalog
from imgpipe.manifest import ImagePart, write
from imgpipe.own_files import own_folder, write_new
from imgpipe.plan import Plan
from imgpipe.provenance import InstallRecord, read_record
from imgpipe.store import Store, finished_folder
from imgpipe.workplace import Workplace

STAGE = "publish"
SBOM = "sbom.cdx.json"
REPORT = "report.json"

_log = logging.getLogger(__name__)


def find_published(name: str, publish_key: str, store: Store) -> GoldenImage | None:
    """Return the newest version of an image if it was made from exactly these inputs; reads one manifest."""
    image = catalog.newest(store, name)
    if image is None or image.manifest.keys.publish != publish_key:
        return None
    if image.disk.stat().st_size != image.manifest.image.size:
        return None
    return _golden(image.folder)


def publish(plan: Plan, disk: VerifiedDisk, workplace: Workplace) -> GoldenImage:
    """Publish `disk` as the next version of the plan's name, or return the newest one if nothing has changed.

    Only one process at a time publishes a name; another one waits, and then finds what the first one made. Raises
    HostError where there is no room or no right to write.
    """
    store = workplace.store

    def waiting(holder: str) -> None:
        workplace.notify(Note(text=f"The image '{plan.name}' is being published or removed by {holder}: waiting."))

    try:
        with catalog.image_lock(store, plan.name, waiting):
            found = find_published(plan.name, plan.publish_key(disk.sealed.key), store)
            return found or _publish_next(plan, disk, workplace)
    except OSError as error:
        raise HostError(
            f"The image '{plan.name}' cannot be published into '{store.images}': {error.strerror or error}.",
            hint="See that the folder is writable and has room.",
        ) from error


def next_version(now: datetime, taken: tuple[str, ...]) -> str:
    """Return the version number after all that were `taken`, also where the clock was set back since."""
    today = int(now.astimezone(UTC).strftime("%Y%m%d"))
    date, serial = max((catalog.version_order(version) for version in taken), default=(0, 0))
    return f"{today}.1" if today > date else f"{date}.{serial + 1}"


def _publish_next(plan: Plan, disk: VerifiedDisk, workplace: Workplace) -> GoldenImage:
    started = time.monotonic()
    parent = _folder_of(workplace.store, plan.name)
    for leftover in catalog.leftovers(workplace.store, plan.name):
        _log.info("removing what an unfinished publish or removal left: %s", leftover)
        shutil.rmtree(leftover, ignore_errors=True)
    folder = parent / next_version(datetime.now(UTC), catalog.taken_versions(workplace.store, plan.name))
    record = _install_record(disk, workplace)
    with finished_folder(folder) as partial:
        image = _write_image(disk.sealed.path, partial / catalog.DISK, workplace)
        _tell(workplace, "Writing the manifest", 97)
        created = datetime.now(UTC).replace(microsecond=0)
        bill = sbom.render(plan.name, folder.name, image.sha256, created, disk.sealed.state)
        write_new(partial / SBOM, bill)
        write_new(partial / REPORT, report(disk))
        published = Published(
            version=folder.name,
            created=created,
            image=image,
            files={name: sha256_of(partial / name) for name in (SBOM, REPORT)},
            tools={"qemu-img": qemu_img.version()},
            seconds=time.monotonic() - started,
        )
        write(partial / catalog.MANIFEST, describe(plan, disk, record, published))
        for file in partial.iterdir():
            file.chmod(0o444)
        _tell(workplace, "Writing to disk", 99)
    return _golden(folder)


def _folder_of(store: Store, name: str) -> Path:
    """Return the folder of an image's versions; QEMU's own user must be able to pass through it, whatever the umask."""
    folder = own_folder(store.images, name, 0o755, least=True)
    mode = store.images.stat().st_mode
    if mode & 0o055 != 0o055:
        store.images.chmod(mode | 0o055)
    return folder


def _install_record(disk: VerifiedDisk, workplace: Workplace) -> InstallRecord:
    record = read_record(disk.sealed.folder)
    if record is None:
        workplace.notify(Note(text="The install left no record, so the manifest cannot name its medium.", warning=True))
    return record or InstallRecord()


def _write_image(source: Path, target: Path, workplace: Workplace) -> ImagePart:
    """Write the disk and its backing files as one compressed image, and look at what was written."""
    qemu_img.convert(
        source,
        target,
        compress=qemu_img.best_compression(),
        moved=lambda percent: _tell(workplace, "Compressing the image", percent * 0.85),
    )
    qemu_img.check(target)
    written = qemu_img.info(target)
    if written.backing is not None or written.virtual_size != qemu_img.info(source).virtual_size:
        raise HostError(
            f"The image of '{source}' was not written whole, although 'qemu-img' reported success.",
            hint="Try again; if it stays so, try another version of QEMU.",
        )
    digest = sha256_of(target, lambda percent: _tell(workplace, "Computing the checksum", 85 + percent * 0.12))
    return ImagePart(
        file=catalog.DISK,
        format="qcow2",
        sha256=digest,
        size=target.stat().st_size,
        virtual_size=written.virtual_size,
    )


def _tell(workplace: Workplace, phase: str, percent: float) -> None:
    workplace.notify(Progress(stage=STAGE, phase=phase, percent=percent))


def _golden(folder: Path) -> GoldenImage:
    return GoldenImage(
        name=folder.parent.name,
        version=folder.name,
        path=folder / catalog.DISK,
        manifest=folder / catalog.MANIFEST,
    )
