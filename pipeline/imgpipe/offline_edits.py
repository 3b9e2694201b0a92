"""Edits of a disk that is not booted, and what must hold after them: the records that sysprep works by."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Write `content` to `path` in the image; parents are made (0755, root)."""

    path: str
    content: str = field(repr=False)
    mode: int = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Remove what matches the glob patterns, folders with all they hold; nothing there is not an error.

    With `files_only`, folders stay, for services that need theirs with its owner. What matches `keep` stays, and
    the folders it is in.
    """

    patterns: tuple[str, ...]
    keep: tuple[str, ...] = ()
    files_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """Make the matching files empty and keep the files, their owners, modes and labels; links are not followed."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink:
    """Make `path` a symbolic link to `target`, replacing what is there."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLines:
    """Drop from the files at `path`, a glob pattern, the lines in which the expression `pattern` is found."""

    path: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFile:
    """Copy the file `source` to `path`, if it has content, `path` is free, and something matches `where`."""

    source: str
    path: str
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceMacs:
    """Replace MAC addresses, each of `pairs` (old, new), in the files that match and in their names; all at once.

    Any notation is known, and kept. Files are written in place; of a link, what it leads to in the image. `early`
    matches files that an initramfs has copies of, which are only told of.
    """

    patterns: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    early: tuple[str, ...] = ()


Step = WriteFile | Remove | Truncate | Symlink | DropLines | CopyFile | ReplaceMacs


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Afterwards nothing may match these glob patterns; with `files_only`, nothing that is a file."""

    patterns: tuple[str, ...]
    keep: tuple[str, ...] = ()
    files_only: bool = False

    @property
    def sentence(self) -> str:
        """What was found true where nothing contradicts it: no more than was looked for."""
        what = "no file" if self.files_only else "nothing"
        kept = f", but what matches {', '.join(self.keep)} is kept" if self.keep else ""
        return f"{what} matches {', '.join(self.patterns)}{kept}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """Afterwards the file at `path` must be there and be empty."""

    path: str

    @property
    def sentence(self) -> str:
        """What was found true."""
        return f"{self.path} is an empty file."


Sealed = Absent | Empty


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutMacs:
    """Afterwards nothing that matches these glob patterns may hold one of the MAC addresses, or be named by one."""

    patterns: tuple[str, ...]
    macs: tuple[str, ...]


Claim = Sealed | WithoutMacs


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A named offline edit of sysprep: its steps in order, and what must hold afterwards.

    `description` is what `imgpipe sysprep --list` prints. `default` operations run unless the recipe disables
    them. Operations of the same name replace one another: the site's wins over the plugin's over the core's.
    """

    name: str
    description: str
    steps: tuple[Step, ...]
    sealed: tuple[Sealed, ...] = ()
    default: bool = True
