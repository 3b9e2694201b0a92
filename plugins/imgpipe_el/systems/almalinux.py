"""AlmaLinux OS."""

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import EL8, EL9, EL10, Generation, Release


def _release(number: int, generation: Generation, cpu_level: int) -> Release:
    system = System(
        name=f"almalinux{number}",
        title=f"AlmaLinux {number}",
        libosinfo=f"almalinux{number}",
        # The vendor also builds release 10 for x86-64-v2 machines: its media are named x86_64_v2.
        media=(f"AlmaLinux-{number}*-x86_64-minimal.iso", f"AlmaLinux-{number}*-x86_64-dvd.iso"),
        download="https://almalinux.org/get-almalinux/",
        identity=MediumIdentity(
            family="AlmaLinux$", version=rf"{number}(\.|$)", volume_id=rf"AlmaLinux-{number}-.*x86_64"
        ),
        memory=2 * GIB,
        cpu_level=cpu_level,
    )
    return generation.release(system)


RELEASES = (_release(8, EL8, 1), _release(9, EL9, 2), _release(10, EL10, 3))
