"""What a deploy is judged against: the hypervisor's machines, pool, memory and networks, asked once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from imgpipe.adapters.host_facts import bridges_here, bridges_over_libvirt, free_memory, network_names
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.machines import Machines
from imgpipe.adapters.pool import Pool
from imgpipe.adapters.pool_folder import there
from imgpipe.deploy.existing import HostFacts


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
        direct_io=_has_direct_io(pool.path) if pool.local else None,
    )


def _has_direct_io(folder: Path) -> bool:
    """Try: some file systems (tmpfs, some of FUSE) refuse O_DIRECT, which cache mode 'none' needs."""
    # A plan's folder may not be there yet.
    descriptor, name = tempfile.mkstemp(prefix=".imgpipe-", dir=there(folder))
    os.close(descriptor)
    try:
        os.close(os.open(name, os.O_RDONLY | os.O_DIRECT))
    except OSError:
        return False
    finally:
        Path(name).unlink()
    return True
