"""One appliance with one disk: launched, inspected, mounted, and powered off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import guestfs

from imgpipe.guest_worker.appliance import Drive, launch
from imgpipe.guest_worker.edits import Edits
from imgpipe.guest_worker.files import Files
from imgpipe.guest_worker.package_reading import MOST_PACKAGES, MOST_TEXT, read_databases
from imgpipe.guest_worker.text import WorkerError, printable

# Augeas type-checks its 230 lenses at start: 8 s of inspection without KVM. Inspection itself needs only these.
LENSES = "fstab sep util rx build quote shellvars hostname hosts mdadm_conf inifile"

MONTHLY = ("ubuntu", "openeuler")

NEW_XFS = "Superblock has unknown"


class Session:
    """One appliance with one disk, mounted as its operating system mounts it."""

    def __init__(self) -> None:
        self.g = guestfs.GuestFS(python_return_dict=True)
        self.files = Files(self.g)
        self.edits = Edits(self.g)
        self.root = ""
        self.mountpoints: dict[str, str] = {}

    def open(self, path: str, disk_format: str, force_tcg: bool, read_only: bool) -> dict[str, Any]:
        """Launch, inspect and mount; return what was found."""
        # The overlay is thrown away when anything fails, and synced by its owner when nothing did.
        drive = Drive(path=path, disk_format=disk_format, discard=not read_only)
        launch(self.g, [drive], force_tcg)
        self._drop_lenses()
        self.root = self._only_root()
        self._mount(read_only)
        return self._inspection()

    def _drop_lenses(self) -> None:
        script = (
            f"cd /usr/share/augeas/lenses/dist && mkdir keep && for l in {LENSES}; do echo $l.aug; done"
            " | xargs mv -t keep; rm -f *.aug; mv keep/* ."
        )
        # `debug` promises nothing; without it inspection is only slower.
        with suppress(RuntimeError):
            self.g.debug("sh", [script])

    def _only_root(self) -> str:
        roots = self.g.inspect_os()
        if len(roots) == 1:
            return str(roots[0])
        if roots:
            raise WorkerError(f"The disk holds {len(roots)} operating systems.", map(str, roots))
        raise WorkerError("The disk holds no operating system that can be read.", self._why_unreadable())

    def _why_unreadable(self) -> Iterator[str]:
        for device, kind in self.g.list_filesystems().items():
            yield f"{device}: {kind}"
            try:
                self.g.mount_ro(device, "/")
                self.g.umount("/")
            except RuntimeError as error:
                yield from str(error).splitlines()[:3]
        if NEW_XFS in self.g.dmesg():
            yield NEW_XFS + " incompatible features"

    def _mount(self, read_only: bool) -> None:
        found = self.g.inspect_get_mountpoints(self.root)
        self.mountpoints = {str(where): str(device) for where, device in found.items()}
        for where in sorted(self.mountpoints, key=len):
            device = self.mountpoints[where]
            if read_only:
                self.g.mount_ro(device, where)
            else:
                self.g.mount_options("", device, where)

    def _inspection(self) -> dict[str, Any]:
        g, root = self.g, self.root
        return {
            "kind": g.inspect_get_type(root),
            "product": g.inspect_get_product_name(root),
            "distro": g.inspect_get_distro(root),
            "version": self._version(),
            "arch": g.inspect_get_arch(root),
            "package_format": g.inspect_get_package_format(root),
            "hostname": g.inspect_get_hostname(root),
            "mountpoints": self.mountpoints,
        }

    def _version(self) -> str:
        major, minor = (self.g.inspect_get_major_version(self.root), self.g.inspect_get_minor_version(self.root))
        # Their minor version is a month, which libguestfs takes for a number: 24.4.
        return f"{major}.{minor:02}" if self.g.inspect_get_distro(self.root) in MONTHLY else f"{major}.{minor}"

    def packages(self) -> dict[str, Any]:
        """Return every package of the image, and whose packages they are; none where no database can be read."""
        found = read_databases(self.g)
        if found is None:
            kind = str(self.g.inspect_get_package_format(self.root))
            return {"format": "" if kind == "unknown" else kind, "packages": self._listed()}
        return {"format": found.kind, "packages": [list(package) for package in found.packages]}

    def _listed(self) -> list[list[str]]:
        """Return name, version and architecture of each package as libguestfs lists them."""
        found = []
        try:
            listed = self.g.inspect_list_applications2(self.root)
        except RuntimeError:
            # A damaged database keeps no image from being made.
            return []
        for app in listed[:MOST_PACKAGES]:
            epoch = f"{app['app2_epoch']}:" if app["app2_epoch"] else ""
            release = f"-{app['app2_release']}" if app["app2_release"] else ""
            texts = (app["app2_name"], f"{epoch}{app['app2_version']}{release}", app["app2_arch"])
            found.append([printable(text)[:MOST_TEXT] for text in texts])
        return found

    def trim(self) -> list[str]:
        """Discard the free space of every file system; return where that is not possible."""
        failed = []
        for where in self.mountpoints:
            try:
                self.g.fstrim(where)
            except RuntimeError:
                failed.append(where)
        return failed

    def close(self) -> None:
        """Unmount and power off; only then is everything on the disk."""
        self.g.umount_all()
        self.g.shutdown()
        self.g.close()
