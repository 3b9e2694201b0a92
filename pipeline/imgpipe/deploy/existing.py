"""What libvirt has already: machines, whoever made them, and what the host can still give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imgpipe.identity.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What a guest last said of itself when it was up: ids that no other machine may have."""

    hostname: str
    machine_id: str
    host_keys: tuple[str, ...]
    macs: tuple[str, ...]
    addresses: tuple[str, ...]

    @classmethod
    def by(cls, report: Report) -> Proven:
        """Return what a guest's report proves."""
        return cls(
            hostname=report.hostname,
            machine_id=report.machine_id,
            host_keys=report.host_keys,
            macs=report.macs,
            addresses=report.addresses,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRecord:
    """What imgpipe keeps in a machine's metadata: the only place where it is known what the machine is.

    `template` is `NAME@VERSION`. `identity` is a digest of everything the guest was given, keyed where it has secrets.
    `addresses` are static ones with their prefix ('10.100.1.10/24'). `pool` is libvirt's name of the storage pool;
    `disk` and `seed` are names of volumes in it, `seed` empty where the machine has none. `uuid` is that of the
    machine that the record belongs to, empty where an earlier version wrote it; so is `fleet_id`, which is mixed into
    the MACs and UUIDs of the fleet's new machines. `complete` is false from before the machine's disk is made until
    its definition is final: what is not complete was interrupted, or its removal was. What is the machine's own is then
    told by `mark`, which imgpipe's files have (see `imgpipe.adapters.marks`), and by `proofs`: a volume's name and the
    pool's proof of it. `state` is 'started' from before imgpipe first starts a machine that has UEFI variables or a
    TPM, and 'own' where there were no variables before; empty, none of that is the machine's. `user` is who can log
    in, empty where that is not known. `host_keys` are fingerprints that the guest told after it was up, where they
    are newer than those in `proven`. `settings` is what the machine has of its own (`imgpipe.deploy.own_settings`), and
    `applied` what imgpipe last made of its definition (`imgpipe.deploy.applied`).
    """

    fleet: str
    group: str
    template: str
    linked: bool
    identity: str
    hostname: str
    addresses: tuple[str, ...]
    pool: str
    disk: str
    seed: str = ""
    complete: bool = True
    proven: Proven | None = None
    uuid: str = ""
    fleet_id: str = ""
    mark: str = ""
    proofs: tuple[tuple[str, str], ...] = ()
    state: str = ""
    user: str = ""
    host_keys: tuple[str, ...] = ()
    settings: str = ""
    applied: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingNic:
    """A network interface of a definition; `kind` as libvirt's interface type ('bridge', 'network', 'user' ...)."""

    kind: str
    source: str
    mac: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingMachine:
    """A machine that libvirt has; `record` is None where imgpipe did not make it. Sizes in bytes.

    `disk` is the path of its first disk as the hypervisor sees it, empty where it is not a file; `virtual_size`
    and `used` are 0 where unknown. `cache` is the cache mode that its definition gives that disk, empty where none.
    `disk_missing` says that the disk is known to be gone; `backing` are the files below it that the definition names.
    `persistent` is false for one that runs without a definition ('virsh undefine'): it is gone when it ends.
    `stranger` says why a record that is there is not the machine's own, and so not in `record`. `current_cpus` and
    `current_memory` are what the machine starts with where that is less than `cpus` and `memory`; 0 where it is not.
    """

    name: str
    uuid: str
    active: bool
    autostart: bool
    cpus: int
    memory: int
    nics: tuple[ExistingNic, ...]
    disk: str = ""
    virtual_size: int = 0
    used: int = 0
    cache: str = ""
    disk_missing: bool = False
    backing: tuple[str, ...] = ()
    persistent: bool = True
    stranger: str = ""
    record: MachineRecord | None = None
    current_cpus: int = 0
    current_memory: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a deploy is judged against. Sizes in bytes; None means that this hypervisor cannot be asked.

    `local` says that the hypervisor's files are this host's. `volumes` are the names in the pool. `addresses` are the
    host's own, each with the device that it is on.
    """

    uri: str
    local: bool
    machines: tuple[ExistingMachine, ...]
    pool: str
    pool_path: str
    pool_free: int
    volumes: frozenset[str]
    memory_free: int
    networks: frozenset[str]
    bridges: frozenset[str] | None
    addresses: Mapping[IPv4Address, str] | None
    direct_io: bool | None
