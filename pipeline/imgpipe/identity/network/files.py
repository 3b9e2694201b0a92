"""What a renderer answers, and what all of them need."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from imgpipe.deploy.wanted import WantedNic

NIC_NAME = "@NIC@"
"""In a file with a `mac`, stands for the name of the NIC that has this address; the guest fills it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFile:
    """A file of a network tool; with `mac` it is about one NIC, whose name takes the place of NIC_NAME."""

    path: str
    text: str
    mode: int = 0o644
    mac: str = ""


def profile_uuid(nic: WantedNic) -> str:
    """Return the UUID of a NIC's profile, the same whenever its MAC address is."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://imgpipe.org/nic/{nic.mac}"))
