"""The services a stage works with; nothing in it is a result of another stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgpipe.events import Listener
from imgpipe.store import Store

if TYPE_CHECKING:  # libvirt is slow to load, and most commands need none
    from imgpipe.adapters.hypervisor import Hypervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where results are kept, which hypervisor runs machines, and who listens."""

    store: Store
    hypervisor: Hypervisor
    notify: Listener
