"""The files of a mounted guest that tell NICs by their MAC addresses: found, rewritten, renamed, and told of."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator
from typing import Any

from imgpipe.guest_worker import macs
from imgpipe.guest_worker.files import MOST_BYTES, Files


class MacFiles:
    """What matches the patterns in a mounted guest; of a link, what it leads to in there.

    `remarks` are sentences about what could not be done or must be done in the guest; `renamed` has the new paths by
    the old ones, in the order in which they got them, and `relinked` the links that were made anew.
    """

    def __init__(self, g: Any, files: Files, patterns: list[str]) -> None:  # noqa: ANN401 (libguestfs has no types)
        self.g = g
        self.files = files
        self.patterns = patterns
        # Each pattern is a question to the appliance, and without KVM there are milliseconds between two of them.
        self.modes = files.modes(patterns)
        self.remarks: list[str] = []
        self.renamed: dict[str, str] = {}
        self.relinked: list[str] = []

    def replace(self, pairs: list[list[str]], early: list[str]) -> int:
        """Replace the old addresses of `pairs`, in content and in names; return how many paths changed.

        Content is written in place. `early` matches what an initramfs has copies of.
        """
        changed = set()
        for path in self._regular():
            if (content := self._content(path)) is None:
                continue
            new = macs.replaced(content, pairs)
            if new != content:
                self.g.write(path, new)
                changed.add(path)
        self._remark_copies(changed, early)
        self._rename(pairs)
        self._retarget(pairs)
        return len(changed) + len(self.renamed) + len(self.relinked)

    def holding(self, addresses: list[str]) -> list[str]:
        """Return what has one of the addresses in its content or its name."""
        named = {path for path in self.modes if macs.found_in_name(posixpath.basename(path), addresses)}
        held = {path for path in self._regular() if macs.found(self._content(path) or b"", addresses)}
        return sorted(named | held)

    def _content(self, path: str) -> bytes | None:
        """Return a whole file; None, and a remark, for one that is too large for a file of settings."""
        if self.g.filesize(path) > MOST_BYTES:
            text = f"'{path}' is too large to be looked through for the source's MAC addresses: look yourself."
            self.remarks += [text] if text not in self.remarks else []
            return None
        return self.files.content(path)

    def _regular(self) -> list[str]:
        """Return the real paths of regular files, each once; links that lead nowhere or to a device are none."""
        folders: dict[str, str] = {}
        found = set()
        for path, mode in self.modes.items():
            if stat.S_ISREG(mode):
                parent, name = posixpath.split(path)
                # Where /lib is a link, what is below it is found twice.
                folders[parent] = folders.get(parent) or self.g.realpath(parent)
                found.add(posixpath.join(folders[parent], name))
            elif stat.S_ISLNK(mode) and (target := self._target(path)):
                found.add(target)
        return sorted(found)

    def _target(self, link: str) -> str | None:
        """Return the regular file that a link leads to inside the guest."""
        try:
            real = str(self.g.realpath(link))
        except RuntimeError:
            return None
        return real if self.files.size(real) is not None else None

    def _rename(self, pairs: list[list[str]]) -> None:
        # The deepest first: a folder of drop-ins has its name from the file that they belong to.
        for path in sorted(self.modes, key=lambda path: (-path.count("/"), path)):
            parent, name = posixpath.split(path)
            new = macs.replaced_in_name(name, pairs)
            # What has the new name already stays; that the old name is there breaks the claim that it is not.
            if new != name and not self.files.exists(posixpath.join(parent, new)):
                self.g.rename(path, posixpath.join(parent, new))
                self.renamed[path] = posixpath.join(parent, new)
        if self.renamed:
            self.modes = self.files.modes(self.patterns)

    def _retarget(self, pairs: list[list[str]]) -> None:
        """Let links lead to what was renamed."""
        for path, target in self._dangling():
            folder, name = posixpath.split(target)
            new = posixpath.join(folder, macs.replaced_in_name(name, pairs))
            if new != target:
                self.g.rm_f(path)
                self.g.ln_s(new, path)
                self.relinked.append(path)

    def _dangling(self) -> Iterator[tuple[str, str]]:
        for path, mode in self.modes.items():
            if stat.S_ISLNK(mode) and self._target(path) is None:
                yield path, str(self.g.readlink(path))

    def _remark_copies(self, changed: set[str], early: list[str]) -> None:
        copied = changed and changed & set(MacFiles(self.g, self.files, early)._regular())
        if copied and self.files.regular(["/boot/init*"]):
            # Not the files' names: those may be made of an address, and differ from clone to clone.
            folders = ", ".join(sorted({f"'{posixpath.dirname(path)}'" for path in copied}))
            self.remarks.append(
                f"The initramfs may hold the source's MAC addresses: what was changed in {folders} may have been "
                "copied into it. Make it anew in the clone: 'update-initramfs -u -k all' (Debian, Ubuntu) or "
                "'dracut --force --regenerate-all'."
            )
