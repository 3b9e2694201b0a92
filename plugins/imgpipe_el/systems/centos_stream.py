"""CentOS Stream."""

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import EL9, EL10, Generation, Release


def _release(number: int, generation: Generation, cpu_level: int) -> Release:
    system = System(
        name=f"centos-stream{number}",
        title=f"CentOS Stream {number}",
        libosinfo=f"centos-stream{number}",
        media=(f"CentOS-Stream-{number}-*-x86_64-dvd1.iso",),
        download="https://www.centos.org/download/",
        identity=MediumIdentity(
            family="CentOS Stream", version=rf"{number}(\.|$)", volume_id=f"CentOS-Stream-{number}-BaseOS-x86_64"
        ),
        memory=2 * GIB,
        cpu_level=cpu_level,
    )
    return generation.release(system)


RELEASES = (_release(9, EL9, 2), _release(10, EL10, 3))
