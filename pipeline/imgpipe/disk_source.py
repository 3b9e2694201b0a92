"""Foreign disk images: checked byte by byte before QEMU sees them, and read as what was checked and nothing else.

A guest owns the first bytes of its raw disk, and a foreign qcow2 names other files in its header. A hostile one names
/etc/shadow, a neighbour's disk, or something only QEMU can open ('json:...', 'nbd://...'), and a copy would then hold
what was read there. So a format is told or found beyond doubt, backing files lie where somebody trusts them, and QEMU
is handed the open files with their formats and the headers that were checked, so that no header is asked again.
Formats: QEMU's docs/interop/qcow2.rst and the probe functions of its block drivers.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imgpipe.errors import RecipeError
from imgpipe.trust import link_of_others

Format = Literal["qcow2", "raw"]

_QCOW2 = b"QFI\xfb"
_MAGICS = (
    (0, b"KDMV", "vmdk"), (0, b"COWD", "vmdk"), (0, b"# Disk De", "vmdk"), (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"), (0, b"cxsparse", "vpc"), (0, b"<<< ", "vdi"), (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"LUKS\xba\xbe", "luks"), (0, b"QED\0", "qed"), (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"), (0, b"Bochs Virtual HD Image", "bochs"), (0, b"#!/bin/sh\n#V2.0", "cloop"),
    (0, b"koly", "dmg"), (0, b"ustar", "tar"), (257, b"ustar", "tar"), (0, b"PK\x03\x04", "zip"),
)  # fmt: skip
_TRAILERS = ((512, b"conectix", "vpc"), (511, b"conectix", "vpc"), (512, b"koly", "dmg"))
"""Where from the end of a file a format's footer stands; a VPC made by old programs is one byte short."""
# QEMU skips comments and empty lines before it looks for the version; ours skips all that any release could.
_DESCRIPTOR = re.compile(rb"(?:#[^\n]*\n|[ \t\r\n])*version[ \t]*=")
_PROTOCOL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DAMAGED, _EXTERNAL_DATA = 1 << 1, 1 << 2
_KNOWN_FEATURES = 0b11011
"""Dirty, damaged, compression type and extended L2 tables; an external data file is not among them."""
_BACKING_FORMAT = 0xE2792ACA
DATA_FILE = 0x44415441
_LONGEST_CHAIN = 32
_LONGEST_NAME = 1023
LONGEST_HEADER = 65536
"""How many bytes of a qcow2 are looked at; a header that is longer is refused."""
_PUBLISHED_DISK, _PUBLISHED_MANIFEST = "golden.qcow2", "manifest.json"

State = tuple[int, int, int, int, int]
"""What changes when a file is replaced or written to: device, inode, size, and when content and inode changed."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file of a chain as it was when it was checked; its format is the checked one.

    `head` is what was read of a qcow2's first 64 KiB, header and all that the check went by; empty for a raw disk. Who
    has the file in memory (mmap(2)) or writes to it fast changes it without a trace in `state`.
    """

    path: Path
    format: Format
    state: State
    head: bytes = field(default=b"", repr=False)

    @property
    def size(self) -> int:
        """The length of the file in bytes."""
        return self.state[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDisk:
    """A disk that may be read: its own file first, then its backing files; `virtual_size` in bytes."""

    layers: tuple[Layer, ...]
    virtual_size: int

    @property
    def path(self) -> Path:
        """The disk's own file."""
        return self.layers[0].path

    @property
    def format(self) -> Format:
        """The format of the disk's own file."""
        return self.layers[0].format


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDisk:
    """A checked disk whose `files` are open: each path leads to the very file that was checked, in the layers' order.

    What their headers say by now counts for nothing: that is in the layers.
    """

    layers: tuple[Layer, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """What a qcow2 header says; the backing file's name and format are empty where there is none."""

    backing: str
    backing_format: str
    virtual_size: int


def check_source(
    path: Path, told: Format | None = None, *, trusted: Sequence[Path] = (), images: Path | None = None
) -> CheckedDisk:
    """Return the disk at `path`, if it and all its backing files may be read.

    `told` is its format by its definition or its owner; without it the format must be beyond doubt. Backing files must
    be below a `trusted` folder or be images published in `images`, and no link leads to them. The disk is no link, and
    those on the way to it are nobody else's. Raises RecipeError with the reason.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 (resolve() would follow links)
    layers: list[Layer] = []
    with _opened(path) as descriptor:
        _require_own_way(path, descriptor)
        layer, header = _layer(path, descriptor, told)
        layers.append(layer)
        size = header.virtual_size if header else os.fstat(descriptor).st_size
    while header and header.backing:
        if len(layers) > _LONGEST_CHAIN:
            raise _refused(path, f"has more than {_LONGEST_CHAIN} backing files")
        layer, header = _backing(layers[-1].path, header, trusted, images)
        layers.append(layer)
    return CheckedDisk(layers=tuple(layers), virtual_size=size)


@contextmanager
def held(layers: Sequence[Layer]) -> Iterator[HeldDisk]:
    """Open the files that were checked for the block.

    Raises RecipeError where a file is not what it was when it was checked, before or after the block.
    """
    with ExitStack() as stack:
        opened = [(layer, stack.enter_context(_opened(layer.path))) for layer in layers]
        _require_unchanged(opened)
        yield HeldDisk(layers=tuple(layers), files=tuple(_name_of(descriptor) for _, descriptor in opened))
        _require_unchanged(opened)


def of_definition(path: Path) -> Path:
    """Return where the file is that a machine's definition names; a link is followed that nobody else can change.

    Raises RecipeError for another link: who makes one where a disk was chooses what is read.
    """
    try:
        if link := link_of_others(path):
            raise _others_link(path, link)
        return path.resolve()
    except OSError as error:
        raise RecipeError(f"The disk '{path}' cannot be read: {error.strerror}.") from error


def _require_own_way(path: Path, descriptor: int) -> None:
    """Raise RecipeError where a link of somebody else leads to what was opened, or led there when it was."""
    try:
        if link := link_of_others(path):
            raise _others_link(path, link)
        # The kernel's own name of what was opened: it tells a folder that became a link for a moment.
        same = _kernel_name(descriptor) == path.resolve()
    except OSError:
        # A part of the way went while it was looked at.
        same = False
    if not same:
        raise RecipeError(
            f"The way to the disk '{path}' was changed while it was opened.",
            hint="See that nothing uses it, and try again.",
        )


def _others_link(path: Path, link: Path) -> RecipeError:
    return RecipeError(
        f"On the way to the disk '{path}' is the symbolic link '{link}', which somebody else can change.",
        hint=f"If you trust where it leads, name that: '{path.resolve()}'.",
    )


def _kernel_name(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def _layer(path: Path, descriptor: int, told: Format | None) -> tuple[Layer, _Header | None]:
    """Judge an open file by one look at its start; its header is None if it is raw."""
    state = _state(descriptor)
    try:
        start = os.pread(descriptor, LONGEST_HEADER, 0)
    except OSError as error:
        raise RecipeError(f"The disk '{path}' cannot be read: {error.strerror}.", hint="Name another file.") from error
    if _format(path, descriptor, start, told) == "raw":
        return Layer(path, "raw", state), None
    return Layer(path, "qcow2", state, start), _header(path, start)


def _name_of(descriptor: int) -> Path:
    """Return a path by which a child opens the very file, wherever its name leads by then."""
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def _require_unchanged(opened: Sequence[tuple[Layer, int]]) -> None:
    for layer, descriptor in opened:
        if _state(descriptor) != layer.state:
            raise RecipeError(
                f"The disk '{layer.path}' was changed after it was checked.",
                hint="See that nothing uses it, and try again.",
            )


def _state(descriptor: int) -> State:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a plain file for the block: no link, and nothing that would be waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink():
            hint = f"Name the file that it leads to: '{path.resolve()}'."
            raise RecipeError(f"The disk '{path}' is a symbolic link.", hint=hint) from None
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            raise RecipeError(f"There is no disk image '{path}'.", hint="Only files can be imported.") from None
        raise RecipeError(f"The disk '{path}' cannot be read: {error.strerror}.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RecipeError(f"There is no disk image '{path}': it is not a file.", hint="Only files can be imported.")
        yield descriptor
    finally:
        os.close(descriptor)


def _backing(
    overlay: Path, header: _Header, trusted: Sequence[Path], images: Path | None
) -> tuple[Layer, _Header | None]:
    if _PROTOCOL.match(header.backing):
        raise _refused(overlay, "names a backing file that is not a plain path")
    form: Format
    if header.backing_format == "qcow2":
        form = "qcow2"
    elif header.backing_format == "raw":
        form = "raw"
    else:
        raise _refused(overlay, "does not say the format of its backing file, or a strange one")
    path = Path(os.path.normpath(overlay.parent / header.backing))
    if not _is_trusted(path, trusted, images):
        raise _elsewhere(overlay, path)
    with _opened(path) as descriptor:
        # The kernel's own name of what was opened: wherever a link was on the way, it is another one.
        real = _kernel_name(descriptor)
        if real != _below(path, [*trusted, *([images] if images else [])]) or not _same(overlay, header, real):
            raise _elsewhere(overlay, real)
        layer, below = _layer(real, descriptor, None if form == "raw" else form)
        if layer.format != form:
            raise _refused(overlay, f"says that '{path}' is {form}, but it is {layer.format}")
        return layer, below


def _is_trusted(path: Path, trusted: Sequence[Path], images: Path | None) -> bool:
    if _below(path, trusted):
        return True
    real = _below(path, [images]) if images else None
    if images is None or real is None:
        return False
    parts = real.relative_to(images.resolve()).parts
    # Published is what has its final name: the catalog's NAME/VERSION/golden.qcow2 beside its manifest.
    return (
        len(parts) == 3
        and parts[2] == _PUBLISHED_DISK
        and not any(part.startswith(".") for part in parts)
        and real.with_name(_PUBLISHED_MANIFEST).is_file()
    )


def _below(path: Path, folders: Sequence[Path]) -> Path | None:
    """Return where a path is with links resolved down to the folder it is below, None if it is below none."""
    for folder in folders:
        absolute, real = Path(os.path.abspath(folder)), folder.resolve()  # noqa: PTH100 (links are kept in one)
        for known in (absolute, real):
            if path != known and path.is_relative_to(known):
                return real / path.relative_to(known)
    return None


def _same(overlay: Path, header: _Header, real: Path) -> bool:
    """Say whether a name with '..' in it leads the kernel where its text does."""
    return Path(os.path.realpath(overlay.parent / header.backing)) == real


def _format(path: Path, descriptor: int, start: bytes, told: Format | None) -> Format:
    if told == "raw":
        return "raw"
    partitioned = start[510:512] == b"\x55\xaa" or start[512:520] == b"EFI PART"
    if start.startswith(_QCOW2):
        if partitioned and told is None:
            raise _doubtful(path, "begins as a qcow2, and as a disk with partitions")
        return "qcow2"
    if told == "qcow2":
        raise RecipeError(f"The disk '{path}' is no qcow2, although that is what it should be.")
    if other := _other_format(path, start, descriptor):
        raise _doubtful(path, f"is of the format '{other}'")
    if start[510:512] != b"\x55\xaa":
        raise RecipeError(
            f"The file '{path}' is no disk: it has neither a qcow2 header nor a partition table.",
            hint="If it is a raw disk all the same, say so: '--format raw'.",
        )
    return "raw"


def _other_format(path: Path, start: bytes, descriptor: int) -> str:
    """Return what else a file could be, to any program that guesses; '' for nothing."""
    for offset, magic, name in _MAGICS:
        if start[offset : offset + len(magic)] == magic:
            return name
    if _DESCRIPTOR.match(start):
        return "vmdk"
    size = os.fstat(descriptor).st_size
    for distance, magic, name in _TRAILERS:
        if size >= distance and os.pread(descriptor, len(magic), size - distance) == magic:
            return name
    return "dmg" if path.suffix.lower() == ".dmg" else ""


def _header(path: Path, start: bytes) -> _Header:
    """Read a qcow2 header; raises RecipeError for one that QEMU could read in another way than we do."""
    try:
        version, offset, length, cluster_bits, size, crypt = struct.unpack_from(">IQIIQI", start, 4)
        features, header_length = 0, 72
        if version == 3:
            (features,) = struct.unpack_from(">Q", start, 72)
            (header_length,) = struct.unpack_from(">I", start, 100)
        if version not in (2, 3) or not 9 <= cluster_bits <= 21 or header_length < 72 or header_length % 8:
            raise _unreadable(path)
        end = offset or 1 << cluster_bits
        found = list(extensions(start, header_length, end))
    except struct.error:
        raise _unreadable(path) from None
    _require_plain(path, features, crypt, [kind for kind, _ in found])
    forms = dict(found).get(_BACKING_FORMAT, b"")
    return _Header(
        backing=_backing_name(path, start, offset, length, 1 << cluster_bits),
        backing_format=forms.decode("ascii", "replace"),
        virtual_size=size,
    )


def _require_plain(path: Path, features: int, crypt: int, kinds: Sequence[int]) -> None:
    if features & _EXTERNAL_DATA or DATA_FILE in kinds:
        raise _refused(path, "keeps its data in another file")
    if features & _DAMAGED:
        raise _refused(path, "is marked as damaged")
    if features & ~_KNOWN_FEATURES:
        raise _refused(path, "has features that are not known here")
    if crypt:
        raise _refused(path, "is encrypted")
    if len(set(kinds)) != len(kinds):
        raise _refused(path, "says something twice in its header")


def _backing_name(path: Path, start: bytes, offset: int, length: int, cluster: int) -> str:
    if not offset:
        return ""
    name = start[offset : offset + length]
    # A name may lie anywhere in the first cluster, of up to 2 MiB; one that was not read is not none.
    if not 0 < length <= _LONGEST_NAME or offset + length > cluster or len(name) != length or b"\0" in name:
        raise _unreadable(path)
    return os.fsdecode(name)


def extensions(start: bytes, offset: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield a qcow2 header's extensions, of its bytes `start` those from `offset` to `end`: a type, and its data.

    Each is a type, a length, and data padded to eight bytes; type 0 ends them (QEMU's docs/interop/qcow2.rst). Raises
    struct.error where one goes beyond what there is.
    """
    while offset < end:
        kind, length = struct.unpack_from(">II", start, offset)
        if kind == 0:
            return
        data = start[offset + 8 : offset + 8 + length]
        if len(data) != length or offset + 8 + length > end:
            raise struct.error
        yield kind, data
        offset += 8 + (length + 7) // 8 * 8


def _unreadable(path: Path) -> RecipeError:
    return _refused(path, "has a header that cannot be read")


def _refused(path: Path, reason: str) -> RecipeError:
    return RecipeError(
        f"The disk '{path}' {reason}.",
        hint="Flatten it first, if you trust it: 'qemu-img convert -f qcow2 -O qcow2'; the copy can be imported.",
    )


def _doubtful(path: Path, reason: str) -> RecipeError:
    return RecipeError(
        f"The disk '{path}' {reason}; only qcow2 and raw disks can be imported.",
        hint="If you know what it is, say so: '--format raw' or '--format qcow2'. Another format has to be converted "
        "first, if you trust it: 'qemu-img convert -f FORMAT -O qcow2'.",
    )


def _elsewhere(overlay: Path, backing: Path) -> RecipeError:
    return RecipeError(
        f"The disk '{overlay}' names a backing file elsewhere, '{backing}'.",
        hint="Only published images, and plain files below a folder that you trust, may be backing files: "
        "'--trust-backing FOLDER'. No symbolic link may lead to them.",
    )
