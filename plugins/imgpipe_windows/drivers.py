"""Which drivers a system gets, and where the virtio-win ISO has them (virtio-win-pkg-scripts, util/filemap.py)."""

from __future__ import annotations

from dataclasses import dataclass

from imgpipe.os_family import MediumCopy
from imgpipe_windows.systems import VIRTIO, Release

BOOT_FOLDER = "$WinPEDriver$"
"""Setup looks for this folder in the root of every drive, loads what is in it and installs it in the new system
(Microsoft KB2686316): so no drive letter is ever guessed."""
AGENT = "qemu-ga-x86_64.msi"
CERTIFICATE = "virtio-win.cer"
_DEBUG_FILES = ("*.pdb", "*.map", "*.exp", "*.lib")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A driver: `name` in the marker and the reports, `folder` and `inf` as virtio-win has them."""

    name: str
    folder: str
    inf: str
    in_setup: bool = False

    def sources(self, release: Release) -> tuple[str, ...]:
        """Return its folders on the ISO for a release, in order of preference."""
        return tuple(f"{self.folder}/{system}/amd64" for system in release.drivers)


STORAGE = Driver(name="viostor", folder="viostor", inf="viostor.inf", in_setup=True)
NETWORK = Driver(name="netkvm", folder="NetKVM", inf="netkvm.inf", in_setup=True)
BALLOON = Driver(name="balloon", folder="Balloon", inf="balloon.inf")
SERIAL = Driver(name="vioserial", folder="vioserial", inf="vioser.inf")
RNG = Driver(name="viorng", folder="viorng", inf="viorng.inf")
PANIC = Driver(name="pvpanic", folder="pvpanic", inf="pvpanic.inf")

_DISPLAYS = {
    "qxl": Driver(name="qxl", folder="qxl", inf="qxl.inf"),
    "qxldod": Driver(name="qxldod", folder="qxldod", inf="qxldod.inf"),
    "viogpudo": Driver(name="viogpudo", folder="viogpudo", inf="viogpudo.inf"),
}


def drivers(release: Release) -> tuple[Driver, ...]:
    """Return the drivers of a release: first those that Setup loads, then those of the first logon, display last."""
    return (STORAGE, NETWORK, BALLOON, SERIAL, RNG, PANIC, _DISPLAYS[release.display])


def copies(release: Release) -> tuple[MediumCopy, ...]:
    """Return what the seed carries of the virtio-win ISO: this system's drivers and the agent, nothing else."""
    found = [
        MediumCopy(
            medium=VIRTIO,
            sources=driver.sources(release),
            target=f"{BOOT_FOLDER if driver.in_setup else 'imgpipe/drivers'}/{driver.name}",
            leave_out=_DEBUG_FILES,
        )
        for driver in drivers(release)
    ]
    found.append(MediumCopy(medium=VIRTIO, sources=(f"guest-agent/{AGENT}",), target=f"imgpipe/{AGENT}"))
    if release.own_publisher:
        source = "cert/Virtio_Win_Red_Hat_CA.cer"
        found.append(MediumCopy(medium=VIRTIO, sources=(source,), target=f"imgpipe/{CERTIFICATE}"))
    return tuple(found)
