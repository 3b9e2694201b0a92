"""UOS Server 20: its builds 'a' and 'e' install by kickstart; build 'd' is made from Debian and is not this system."""

from imgpipe.os_family import System
from imgpipe.sizes import GIB
from imgpipe_el.release import EL8

RELEASES = (
    # Build 'e' speaks the language of Anaconda 29; what is rendered is kept to what both builds understand.
    EL8.release(
        System(
            name="uos20",
            title="UOS Server 20",
            media=("uniontechos-server-20-*a-amd64.iso", "uniontechos-server-20-*e-amd64.iso"),
            download="https://www.chinauos.com/",
            # No identity: how these media call themselves is not known, so the file's name alone decides.
            memory=2 * GIB,
        )
    ),
)
