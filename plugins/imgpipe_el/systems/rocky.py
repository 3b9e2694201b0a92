"""Rocky Linux."""

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import EL8, EL9, EL10, Generation, Release


def _release(number: int, generation: Generation, memory: int, cpu_level: int) -> Release:
    system = System(
        name=f"rocky{number}",
        title=f"Rocky Linux {number}",
        libosinfo=f"rocky{number}",
        media=(f"Rocky-{number}*-x86_64-minimal.iso", f"Rocky-{number}*-x86_64-dvd*.iso"),
        download="https://rockylinux.org/download",
        identity=MediumIdentity(
            family="Rocky Linux( Minimal)?$", version=rf"{number}(\.|$)", volume_id=rf"Rocky-{number}-\d+-x86_64"
        ),
        memory=memory,
        cpu_level=cpu_level,
    )
    return generation.release(system)


RELEASES = (
    _release(8, EL8, 2 * GIB, 1),
    _release(9, EL9, 2 * GIB, 2),
    _release(10, EL10, 2 * GIB, 3),
)
