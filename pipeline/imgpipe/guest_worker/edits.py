"""Editing files inside a guest: one method for each step of `imgpipe.os_family`."""

from __future__ import annotations

import posixpath
import re
import stat
from collections.abc import Callable
from typing import Any

from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.mac_files import MacFiles
from imgpipe.guest_worker.text import WorkerError, as_bytes


class Edits:
    """Steps on a mounted guest; `new` are the paths that were made, and lack SELinux labels.

    `remarks` are sentences about what the steps left to be done in the guest.
    """

    def __init__(self, g: Any, files: Files | None = None) -> None:  # noqa: ANN401 (libguestfs has no types)
        self.g = g
        self.files = files or Files(g)
        self.new: list[str] = []
        self.remarks: list[str] = []

    def apply(self, steps: list[dict[str, Any]]) -> int:
        """Apply the steps in order; return how many paths they changed."""
        return sum(STEPS[step.pop("kind")](self, **step) for step in steps)

    def write_file(self, path: str, content: str, mode: int) -> int:
        """Write a file in place, so that it keeps its label; a symbolic link there is replaced, not followed."""
        path = self.files.spelled(path)
        found = self.files.mode(path)
        if found is None:
            self._make_parents(path)
        elif stat.S_ISLNK(found):
            self.g.rm_f(path)
        if found is None or stat.S_ISLNK(found):
            self.new.append(path)
        elif not stat.S_ISREG(found):
            raise WorkerError(f"'{path}' is not a file in the image.")
        self.g.write(path, content.encode())
        self.g.chmod(mode, path)
        return 1

    def remove(self, patterns: list[str], keep: list[str], files_only: bool) -> int:
        """Remove what matches, symbolic links themselves and never what they point to."""
        doomed = self.files.remains(patterns, keep, files_only)
        for path, mode in doomed.items():
            if not stat.S_ISDIR(mode):
                self.g.rm_f(path)
                continue
            # rm_rf alone does not resolve links inside the guest, where /var/run may be an absolute one.
            parent, name = posixpath.split(path)
            self.g.rm_rf(posixpath.join(self.g.realpath(parent), name))
        return len(doomed)

    def truncate(self, patterns: list[str]) -> int:
        """Empty the regular files that match; links, devices and pipes are left alone."""
        files = self.files.regular(patterns)
        for path in files:
            self.g.truncate(path)
        return len(files)

    def symlink(self, path: str, target: str) -> int:
        """Make a symbolic link, in place of whatever is there but a folder."""
        found = self.files.mode(path)
        if found is None:
            self._make_parents(path)
        elif stat.S_ISDIR(found):
            raise WorkerError(f"'{path}' is a folder in the image.")
        elif stat.S_ISLNK(found) and self.g.readlink(path) == target:
            return 0
        self.g.rm_f(path)
        self.g.ln_s(target, path)
        self.new.append(path)
        return 1

    def drop_lines(self, path: str, pattern: str) -> int:
        """Rewrite, in place, the matching files in which the expression is found."""
        searched = re.compile(pattern.encode())
        changed = 0
        for name in self.files.regular([path]):
            lines = self.files.content(name).splitlines(keepends=True)
            left = [line for line in lines if not searched.search(line)]
            if left != lines:
                self.g.write(name, b"".join(left))
                changed += 1
        return changed

    def replace_macs(self, patterns: list[str], pairs: list[list[str]], early: list[str]) -> int:
        """Replace old addresses in the matching files and their names, and keep what there is to say of it."""
        found = MacFiles(self.g, self.files, patterns)
        changed = found.replace(pairs, early)
        self.remarks += found.remarks
        for old, new in found.renamed.items():
            # A folder takes along what is in it.
            self.new = [new + path[len(old) :] if f"{path}/".startswith(f"{old}/") else path for path in self.new]
        self.new += found.relinked
        return changed

    def copy_file(self, source: str, path: str, where: str) -> int:
        """Copy a file that has content to a path that is free."""
        if (where and not self.files.glob(where)) or self.files.mode(path) is not None:
            return 0
        mode = self.files.mode(source)
        content = self.files.content(source) if mode is not None and stat.S_ISREG(mode) else b""
        if not content:
            return 0
        return self.write_file(path, content.decode(), 0o644)

    def relabel(self) -> int:
        """Give SELinux labels to what was made anew, in an image that has labels; return how many got one.

        libguestfs' setfiles where it has it; what is then still without gets its folder's label, as from the kernel.
        """
        if not self.new or self._label("/etc") is None:
            return 0
        new = sorted(set(self.new), key=len)
        self._set_by_policy(new)
        for path in new:
            if self._label(path) is None:
                label = self._label(posixpath.dirname(path)) or self._label("/etc") or ""
                self.g.lsetxattr("security.selinux", label, len(label), path)
        return len(new)

    def _set_by_policy(self, paths: list[str]) -> None:
        config = self.files.content("/etc/selinux/config") if self.files.size("/etc/selinux/config") else b""
        policy = re.search(rb"^SELINUXTYPE=([a-z]+)\s*$", config, re.MULTILINE)
        if policy is None or not self.g.feature_available(["selinuxrelabel"]):
            return
        contexts = f"/etc/selinux/{policy[1].decode()}/contexts/files/file_contexts"
        if not self.files.size(contexts):
            return
        if hasattr(self.g, "setfiles"):
            self.g.setfiles(contexts, paths, force=True)
            return
        for path in paths:
            self.g.selinux_relabel(contexts, path, force=True)

    def _make_parents(self, path: str) -> None:
        parent = posixpath.dirname(path)
        missing = []
        while parent != "/" and not self.g.exists(parent):
            missing.append(parent)
            parent = posixpath.dirname(parent)
        if missing:
            self.g.mkdir_p(missing[0])
            self.new.extend(missing)

    def _label(self, path: str) -> str | None:
        try:
            return as_bytes(self.g.lgetxattr(path, "security.selinux")).rstrip(b"\0").decode("ascii", "replace")
        except RuntimeError:
            return None


STEPS: dict[str, Callable[..., int]] = {
    "WriteFile": Edits.write_file,
    "Remove": Edits.remove,
    "Truncate": Edits.truncate,
    "Symlink": Edits.symlink,
    "DropLines": Edits.drop_lines,
    "CopyFile": Edits.copy_file,
    "ReplaceMacs": Edits.replace_macs,
}
