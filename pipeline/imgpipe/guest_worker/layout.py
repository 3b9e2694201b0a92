"""Which file systems of one disk make up its Linux system, found by looking at this disk only.

libguestfs' own inspection looks at all disks of an appliance at once, and takes the clones of one template, whose
UUIDs are the same, for parts of each other. What is found on one disk is tried on the next: clones are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.text import WorkerError

# Btrfs is not among them: Linux takes file systems of the same UUID for one, and would write to another clone's disk.
ROOT_KINDS = ("ext2", "ext3", "ext4", "xfs")
MOUNTED_KINDS = (*ROOT_KINDS, "vfat")
# Edits reach into these; what else is missing on this disk is no obstacle.
NEEDED = ("/etc", "/usr", "/var", "/var/lib", "/boot")
PARTITION = re.compile(r"(/dev/[a-z]+)([0-9]+)")
IN_FSTAB = re.compile(r"/dev/(?:[hsv]|xv)d[a-z]([0-9]+)|/dev/nvme[0-9]n[0-9]p([0-9]+)")
MOUNT_POINT = re.compile(r"(/[A-Za-z0-9_.+-]*[A-Za-z0-9_+-])+")


class Place(NamedTuple):
    """A file system: where it is mounted, and the number of its partition or the path of its logical volume."""

    where: str
    source: int | str
    kind: str


class Layout(NamedTuple):
    """How a system is mounted, outermost first; `uuid` is that of its root file system."""

    uuid: str
    places: tuple[Place, ...]


class BlockDevices:
    """The block devices of one disk; LVM must have been told to see no other."""

    def __init__(self, g: Any, disk: str) -> None:  # noqa: ANN401 (libguestfs has no types)
        self.g = g
        self.disk = disk
        self.sources: dict[int | str, str] = {}
        for device in g.list_partitions():
            match = PARTITION.fullmatch(device)
            if match and match[1] == disk:
                self.sources[int(match[2])] = device
        for volume in g.lvs():
            self.sources[str(volume)] = str(volume)
        if not self.sources:
            self.sources[0] = disk

    def find(self) -> Layout:
        """Look for the one Linux system; raises WorkerError if there is none, several, or one on Btrfs."""
        kinds = {source: str(self.g.vfs_type(device)) for source, device in self.sources.items()}
        roots = [source for source, kind in kinds.items() if kind in ROOT_KINDS and self._is_root(source, kind)]
        if len(roots) != 1:
            raise WorkerError(
                f"The disk holds {len(roots)} systems that can be edited in a batch.",
                (f"{source}: {kind}" for source, kind in kinds.items()),
            )
        root = Place("/", roots[0], kinds[roots[0]])
        self._mount(root)
        places = tuple(sorted((root, *self._below(kinds)), key=lambda place: len(place.where)))
        self.g.umount_all()
        return Layout(self._uuid(root.source), places)

    def fits(self, layout: Layout) -> bool:
        """Say whether this disk has the devices of `layout`, and its root file system."""
        known = all(place.source in self.sources for place in layout.places)
        return known and self._uuid(layout.places[0].source) == layout.uuid

    def mount(self, layout: Layout) -> None:
        """Mount the system for writing."""
        for place in layout.places:
            self._mount(place)

    def _mount(self, place: Place, options: str = "") -> None:
        # A clone's XFS has the UUID of another that Linux may not have let go of yet (xfs(5), nouuid).
        wanted = [*([options] if options else []), *(["nouuid"] if place.kind == "xfs" else [])]
        self.g.mount_options(",".join(wanted), self.sources[place.source], place.where)

    def _is_root(self, source: int | str, kind: str) -> bool:
        try:
            self._mount(Place("/", source, kind), "ro")
        except RuntimeError:
            return False
        found = self.g.is_file("/etc/fstab", followsymlinks=True) and self.g.is_dir("/etc") and self.g.exists("/bin")
        self.g.umount_all()
        return bool(found)

    def _below(self, kinds: dict[int | str, str]) -> Iterator[Place]:
        """Yield what the mounted root's fstab(5) mounts from this disk."""
        files = Files(self.g)
        for line in files.content("/etc/fstab").decode("utf-8", "replace").splitlines():
            words = line.split()
            if len(words) < 3 or words[0].startswith("#") or not MOUNT_POINT.fullmatch(words[1]):
                continue
            spec, where = words[:2]
            source = self._source(spec.replace('"', ""))
            if source is not None and kinds.get(source) in MOUNTED_KINDS and self.g.is_dir(where):
                yield Place(where, source, kinds[source])
            elif where in NEEDED:
                raise WorkerError(f"'{where}' is not on the disk as its fstab says: '{spec}'.")

    def _source(self, spec: str) -> int | str | None:
        tag, equals, value = spec.partition("=")
        if equals:
            asked = {"UUID": self._uuid, "LABEL": self._label, "PARTUUID": self._part_uuid}.get(tag)
            matches = [s for s in self.sources if asked and asked(s).lower() == value.lower()]
            return matches[0] if len(matches) == 1 else None
        numbered = IN_FSTAB.fullmatch(spec)
        if numbered:
            number = int(numbered[1] or numbered[2])
            return number if number in self.sources else None
        return next((s for s in self.sources if isinstance(s, str) and spec in (s, _mapper(s))), None)

    def _uuid(self, source: int | str) -> str:
        return str(self.g.vfs_uuid(self.sources[source]))

    def _label(self, source: int | str) -> str:
        return str(self.g.vfs_label(self.sources[source]))

    def _part_uuid(self, source: int | str) -> str:
        if not isinstance(source, int) or not source or self.g.part_get_parttype(self.disk) != "gpt":
            return ""
        return str(self.g.part_get_gpt_guid(self.disk, source))


def _mapper(volume: str) -> str:
    """Return the device mapper's name of '/dev/GROUP/VOLUME': hyphens are doubled in it (lvm(8))."""
    group, _, name = volume.removeprefix("/dev/").partition("/")
    return f"/dev/mapper/{group.replace('-', '--')}-{name.replace('-', '--')}"
