"""The Windows releases that are known, one record each, with what differs between them while installing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imgpipe.os_family import FurtherMedium, MediumIdentity, System
from imgpipe.sizes import GIB

Firmware = Literal["bios", "uefi"]
UNTRIED = "answer file checked only; never installed on real Windows, for want of a medium"
REHEARSED = "answer file checked only; never installed on real Windows; a stand-in for its Setup is"
VIRTIO = "virtio"

VIRTIO_WIN = FurtherMedium(
    name=VIRTIO,
    title="the virtio-win drivers",
    media=("virtio-win-*.iso", "virtio-win.iso"),
    download="the virtio-win project (Fedora)",
    identity=MediumIdentity(landmark="viostor/*/*/viostor.inf", arch=""),
    stand_in="virtio-win-stand-in",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A system, and what differs between releases.

    `builds` are the first and last build number of its media (WIM XML, VERSION/BUILD). `edition` is the NAME of the
    image that is taken unless the recipe says otherwise; `keys` Microsoft's public setup keys for volume media,
    (Standard or Pro, Datacenter or Enterprise). `drivers` are virtio-win's folders for it, in order of preference.
    `display` is its display driver's folder there. `newest_drivers` is the last virtio-win release whose drivers
    for it are signed by a vendor. `own_publisher` says that they are not signed by Microsoft, so that Windows asks
    a person whether to trust them unless they are installed by the system itself.
    """

    system: System
    kind: Literal["server", "client"]
    builds: tuple[int, int]
    edition: str
    keys: tuple[str, str]
    drivers: tuple[str, ...]
    display: str
    newest_drivers: str = ""
    own_publisher: bool = False
    wants_tpm: bool = False
    usb: Literal["xhci", "ehci"] = "xhci"

    @property
    def is_old(self) -> bool:
        """Whether it is of the generation of Windows 7: no screens of Windows 8 to answer, no `/mode:vm`."""
        return self.builds[1] < 9200


# 2008 R2 starts on UEFI only with a BIOS beside it; the newest two want UEFI, a TPM and Secure Boot.
_FIRMWARE: dict[str, tuple[Firmware, ...]] = {"win2008r2": ("bios",), "win2025": ("uefi",), "win11": ("uefi",)}


def _system(name: str, title: str, libosinfo: str, memory: int, media: tuple[str, ...]) -> System:
    return System(
        name=name,
        title=title,
        libosinfo=libosinfo,
        media=media,
        download="Microsoft",
        identity=MediumIdentity(landmark="sources/install.*", arch=""),
        memory=memory,
        # What the stand-in is installed as in the tests; it has the other systems' images too.
        tested=REHEARSED if name == "win2016" else UNTRIED,
        further=(VIRTIO_WIN,),
        firmware=_FIRMWARE.get(name, ("bios", "uefi")),
    )


def _server(year: str, words: str, libosinfo: str, memory: int) -> System:
    names = words.replace(" ", "_")
    media = (
        f"*windows_server_{names}*x64*.iso",
        f"*windows_server_{names}*.iso",
        f"*server*{words.replace(' ', '*')}*.iso",
    )
    return _system(f"win{year}", f"Windows Server {words.upper()}", libosinfo, memory, media)


WIN2008R2 = Release(
    system=_server("2008r2", "2008 r2", "win2k8r2", GIB),
    kind="server",
    builds=(7600, 7601),
    edition="Windows Server 2008 R2 SERVERSTANDARD",
    keys=("YC6KT-GKW9T-YTKYR-T4X34-R7VHC", "74YFP-3QFB3-KQT8W-PMXWJ-7M648"),
    drivers=("2k8R2", "w7"),
    display="qxl",
    own_publisher=True,
    usb="ehci",
)
WIN2012R2 = Release(
    system=_server("2012r2", "2012 r2", "win2k12r2", GIB),
    kind="server",
    builds=(9600, 9600),
    edition="Windows Server 2012 R2 SERVERSTANDARD",
    keys=("D2N9P-3P6X9-2R39C-7RTCD-MDVJX", "W3GGN-FT8W3-Y4M27-J84CP-Q3VJ9"),
    drivers=("2k12R2", "w8.1"),
    display="qxldod",
    newest_drivers="0.1.215",
    own_publisher=True,
)
WIN2016 = Release(
    system=_server("2016", "2016", "win2k16", 2 * GIB),
    kind="server",
    builds=(14393, 14393),
    edition="Windows Server 2016 SERVERSTANDARD",
    keys=("WC2BQ-8NRM3-FDDYY-2BFGV-KHKQY", "CB7KF-BWN84-R7R2Y-793K2-8XDDG"),
    drivers=("2k16", "w10"),
    display="qxldod",
)
WIN2019 = Release(
    system=_server("2019", "2019", "win2k19", 2 * GIB),
    kind="server",
    builds=(17763, 17763),
    edition="Windows Server 2019 SERVERSTANDARD",
    keys=("N69G4-B89J2-4G8F4-WWYCC-J464C", "WMDGN-G9PQG-XVVXX-R3X43-63DFG"),
    drivers=("2k19", "w10"),
    display="qxldod",
)
WIN2022 = Release(
    system=_server("2022", "2022", "win2k22", 2 * GIB),
    kind="server",
    builds=(20348, 20348),
    edition="Windows Server 2022 SERVERSTANDARD",
    keys=("VDYBN-27WPP-V4HQT-9VMD4-VMK7H", "WX4NM-KYWYW-QJJR4-XV3QB-6VM33"),
    drivers=("2k22", "w10"),
    display="viogpudo",
)
WIN2025 = Release(
    system=_server("2025", "2025", "win2k25", 4 * GIB),
    kind="server",
    builds=(26100, 26999),
    edition="Windows Server 2025 SERVERSTANDARD",
    keys=("TVRH6-WHNXV-R9WG3-9XRFY-MY832", "D764K-2NDRG-47T6Q-P8T8W-YP6DF"),
    drivers=("2k25", "w11"),
    display="viogpudo",
    wants_tpm=True,
)
WIN10 = Release(
    system=_system("win10", "Windows 10", "win10", 2 * GIB, ("*win*10*x64*.iso", "*windows*10*.iso")),
    kind="client",
    builds=(10240, 19999),
    edition="Windows 10 Pro",
    keys=("W269N-WFGWX-YVC9B-4J6C9-T83GX", "NPPR9-FWDCX-D2C8J-H872K-2YT43"),
    drivers=("w10",),
    display="qxldod",
)
WIN11 = Release(
    system=_system("win11", "Windows 11", "win11", 4 * GIB, ("*win*11*x64*.iso", "*windows*11*.iso")),
    kind="client",
    builds=(22000, 29999),
    edition="Windows 11 Pro",
    keys=("W269N-WFGWX-YVC9B-4J6C9-T83GX", "NPPR9-FWDCX-D2C8J-H872K-2YT43"),
    drivers=("w11",),
    display="viogpudo",
    wants_tpm=True,
)

RELEASES = {
    release.system.name: release for release in (WIN2008R2, WIN2012R2, WIN2016, WIN2019, WIN2022, WIN2025, WIN10, WIN11)
}
