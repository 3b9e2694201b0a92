"""What a storage pool does for machines, whichever way it does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imgpipe.disk_source import CheckedDisk

Moved = Callable[[float], None]
"""Told how many percent are done."""


def unheard(_percent: float) -> None:
    """Hear of no progress."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image that disks are made from, as the hypervisor sees it; `virtual_size` in bytes.

    `foreign` is set where imgpipe did not build it.
    """

    path: Path
    format: str
    virtual_size: int
    foreign: CheckedDisk | None = None


class Pool(Protocol):
    """A libvirt storage pool whose volumes are files; may be used from several threads at once.

    `path` is its folder as the hypervisor sees it; `local` says that its files are made directly, in this host's own
    folder. All verbs raise HostError; those that make a volume refuse to write over one.

    What is made with a `mark` of `marks.new_mark` can be shown later to be one's own: by the mark alone where the pool
    is local, else by the `proof` of it.
    """

    name: str
    path: Path
    local: bool

    def names(self) -> frozenset[str]:
        """Return the names of all volumes."""

    def free(self) -> int:
        """Return how many bytes are left."""

    def file(self, name: str) -> Path:
        """Return where a volume is, or will be, as the hypervisor sees it."""

    def base(
        self, source: Path, volume: str, sha256: str, moved: Moved = unheard, foreign: CheckedDisk | None = None
    ) -> Base:
        """Return an image of this host as one that disks can be made from; `foreign` is what was checked of another's.

        Where the hypervisor does not see `source`, it is uploaded as `volume`, once, and read back to be compared
        with `sha256` (empty: with what was sent).
        """

    def overlay(self, name: str, base: Base, size: int, mark: str = "") -> None:
        """Make a qcow2 volume of `size` bytes that keeps its changes apart from `base`."""

    def copy(self, name: str, base: Base, size: int, moved: Moved = unheard, mark: str = "") -> None:
        """Make a qcow2 volume of `size` bytes with all that is in `base`: independent, and no larger than it."""

    def write_small(self, name: str, data: bytes, mark: str = "") -> None:
        """Make a volume that holds `data`; one of that name is replaced, but refused where a `mark` is given."""

    def proof(self, name: str) -> str:
        """Return words that tell a volume from any other until it is written to; empty where there is none."""

    def is_own(self, name: str, mark: str, proof: str) -> bool:
        """Say whether a volume is shown to be the one that was made with the mark, or that the proof is of."""

    def hidden(self, name: str, mark: str) -> tuple[str, ...]:
        """Return what else a volume is called as long as it is marked."""

    def unmark(self, mark: str, *names: str) -> None:
        """Forget a mark: what the volumes belong to is whole, or gone."""

    def grow(self, name: str, size: int) -> None:
        """Make the virtual disk of a qcow2 volume that nobody uses `size` bytes large."""

    def delete(self, *names: str) -> None:
        """Delete volumes; those that are gone already are fine."""

    def require_unused(self, *names: str) -> None:
        """Raise HostError where a QEMU that libvirt lost still uses a volume, as far as that can be seen."""

    def backing(self, name: str) -> Path | None:
        """Return the file that a volume is an overlay of; None if it is of none, or not there."""

    def flatten(self, name: str, moved: Moved = unheard) -> bool:
        """Make the overlay of a machine that is off independent; False where only a running machine can do that."""

    def refresh(self) -> None:
        """Let libvirt see what was made and deleted beside it."""
