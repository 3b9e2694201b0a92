"""openEuler: an installer of its own making on the base of Anaconda 36, and no entry in libosinfo's database."""

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import ANACONDA_36, Release


def _system(number: str) -> System:
    return System(
        name=f"openeuler{number}",
        title=f"openEuler {number} LTS",
        media=(f"openEuler-{number}-LTS*-x86_64-dvd.iso",),
        download="https://www.openeuler.org/en/download/",
        identity=MediumIdentity(
            family="openEuler$",
            version=number.replace(".", r"\.") + "-LTS",
            volume_id=rf"(?i)openEuler-{number.replace('.', '[.]')}",
        ),
        # The vendor asks for 4 GiB; the installer itself is content with half of it.
        memory=2 * GIB,
    )


RELEASES = (
    Release(
        system=_system("22.03"),
        installer=ANACONDA_36,
        kernel=(5, 10),
        systemd=249,
        network_profiles="keyfile",
        filesystem="ext4",
    ),
    Release(
        system=_system("24.03"),
        installer=ANACONDA_36,
        kernel=(6, 6),
        systemd=255,
        network_profiles="keyfile",
        filesystem="ext4",
        selinux_needs_argument=True,
    ),
)
