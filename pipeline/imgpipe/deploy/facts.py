"""What a deploy is judged against: the hypervisor's machines, pool, memory and networks, asked once."""

from __future__ import annotations

from imgpipe.adapters.host_facts import (
    addresses_here,
    bridges_here,
    bridges_over_libvirt,
    free_memory,
    network_names,
)
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.deploy.existing import HostFacts
from imgpipe.host.direct_io import has_direct_io


def gather(hypervisor: Hypervisor, pool: Pool) -> HostFacts:
    """Ask for everything; nothing is touched. Raises HostError."""
    return HostFacts(
        uri=hypervisor.uri,
        # Machines' disks are overlays of the catalog's own files only where the pool is made directly.
        local=pool.local,
        machines=Machines(hypervisor).list(),
        pool=pool.name,
        pool_path=str(pool.path),
        pool_free=pool.free(),
        volumes=pool.names(),
        memory_free=free_memory(hypervisor),
        networks=network_names(hypervisor),
        bridges=bridges_here() if hypervisor.local else bridges_over_libvirt(hypervisor),
        addresses=addresses_here() if hypervisor.local else None,
        direct_io=has_direct_io(pool.path) if pool.local else None,
    )
