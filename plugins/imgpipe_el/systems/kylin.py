"""Kylin Linux Advanced Server: V10 stands on openEuler 20.03, whose installer is Anaconda 29."""

from imgpipe.os_family import MediumIdentity, System
from imgpipe.sizes import GIB
from imgpipe_el.release import ANACONDA_29, Release

RELEASES = (
    Release(
        system=System(
            name="kylin10",
            title="Kylin Server V10",
            media=("Kylin-Server-*10-*-x86_64.iso", "Kylin-Server-*10-*-X86_64.iso", "Kylin-Server-V10-*.iso"),
            download="https://www.kylinos.cn/",
            identity=MediumIdentity(
                family="Kylin Linux Advanced Server$", version="V10", volume_id="(?i)Kylin-Server-(V)?10"
            ),
            memory=2 * GIB,
        ),
        installer=ANACONDA_29,
        kernel=(4, 19),
        systemd=243,
        network_profiles="ifcfg",
    ),
)
