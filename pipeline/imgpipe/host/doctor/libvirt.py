"""libvirt: whether its daemon answers, and whether its pools and networks are up."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from imgpipe.adapters.installed import Daemons
from imgpipe.adapters.libvirt_inventory import Inventory
from imgpipe.far_host import far_host
from imgpipe.host.doctor.finding import Finding

_DEEP = "imgpipe doctor --deep"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFacts:
    """What came of asking the daemon at `uri`.

    `inventory` is None where nothing was told: because of `error`, or because no daemon runs and imgpipe would
    start one (`startable`). `daemons` are those that serve this host; `systemd` manages services here;
    `denied` says that the daemon refuses this user. `pool` is the pool that the settings name.
    """

    uri: str
    daemons: Daemons | None
    systemd: bool
    user: str
    inventory: Inventory | None = None
    startable: bool = False
    error: str = ""
    denied: bool = False
    pool: str | None = None


def judge(facts: DaemonFacts) -> Iterator[Finding]:
    """Say whether libvirt can be used, then what of it is not up."""
    if facts.inventory is None:
        yield _silent(facts)
        return
    known = facts.inventory
    words = f"libvirt {known.versions['libvirt']} with QEMU {known.versions['qemu']} answers at '{facts.uri}'."
    yield Finding(name="libvirt", state="ok", meaning=words)
    yield from _pools(facts, known)
    yield from _networks(known)
    if known.unfinished:
        names = ", ".join(f"'{name}'" for name in known.unfinished)
        yield Finding(
            name="machines",
            state="warn",
            meaning=f"A deploy was killed while it made {names}; the next deploy of the same fleet makes them anew.",
            commands=(f"imgpipe machines destroy {shlex.join(known.unfinished)}",),
        )


def _silent(facts: DaemonFacts) -> Finding:
    far = far_host(facts.uri)
    if facts.startable and facts.daemons:
        words = f"No daemon runs at '{facts.uri}' now; '{facts.daemons.program}' is started whenever imgpipe needs it."
        return Finding(name="libvirt", state="ok", meaning=words)
    if facts.denied and far:
        user = shlex.quote(far.user or facts.user)
        return Finding(
            name="libvirt",
            state="fail",
            meaning=f"The libvirt daemon at '{facts.uri}' refuses '{far.user or facts.user}', who is not in its group.",
            commands=(f"{far.ssh} sudo usermod -aG libvirt {user}",),
        )
    if facts.denied:
        return Finding(
            name="libvirt",
            state="fail",
            meaning=f"The libvirt daemon at '{facts.uri}' refuses '{facts.user}'.",
            commands=(f"usermod -aG libvirt {shlex.quote(facts.user)}", "newgrp libvirt"),
        )
    starts = _starts(facts)
    return Finding(
        name="libvirt",
        state="fail",
        meaning=f"libvirt does not answer at '{facts.uri}': {facts.error or 'nothing listens there'}.",
        commands=tuple(shlex.join(start) for start in starts) or (_other_way(facts),),
        repairs=starts,
    )


def _starts(facts: DaemonFacts) -> tuple[tuple[str, ...], ...]:
    """Return what starts the daemon's sockets; nothing where they are another host's, or systemd's not to start."""
    if far_host(facts.uri) or not facts.systemd:
        return ()
    return tuple(("systemctl", "enable", "--now", unit) for unit in facts.daemons.sockets) if facts.daemons else ()


def _other_way(facts: DaemonFacts) -> str:
    if far := far_host(facts.uri):
        return far.status
    return _DEEP if facts.daemons else "imgpipe host setup"


def _pools(facts: DaemonFacts, known: Inventory) -> Iterator[Finding]:
    if facts.pool and facts.pool not in known.pools:
        there = ", ".join(sorted(known.pools)) or "none"
        pool = shlex.quote(facts.pool)
        yield Finding(
            name="pools",
            state="fail",
            meaning=f"The settings name the storage pool '{facts.pool}', which libvirt does not have (there: {there}).",
            commands=(
                f"virsh -c {facts.uri} pool-define-as {pool} dir --target /var/lib/libvirt/images/{pool}",
                f"virsh -c {facts.uri} pool-build {pool}",
                f"virsh -c {facts.uri} pool-start {pool}",
                f"virsh -c {facts.uri} pool-autostart {pool}",
            ),
        )
    if off := sorted(name for name, active in known.pools.items() if not active):
        starts = tuple(("virsh", "-c", facts.uri, verb, name) for name in off for verb in _POOL_VERBS)
        yield Finding(
            name="pools",
            state="fail" if facts.pool in off else "warn",
            meaning=f"Not started: the storage pool{'s' * (len(off) > 1)} {', '.join(map(repr, off))}.",
            commands=tuple(shlex.join(start) for start in starts),
            repairs=starts,
        )
    elif facts.pool in (None, *known.pools):
        count = len(known.pools)
        words = (
            f"{count} storage pool{'s are' if count > 1 else ' is'} up." if count else "None; a deploy makes its own."
        )
        yield Finding(name="pools", state="ok", meaning=words)


_POOL_VERBS = ("pool-start", "pool-autostart")


def _networks(known: Inventory) -> Iterator[Finding]:
    off = sorted(name for name, active in known.networks.items() if not active)
    if off:
        # Not ours to start: a network takes an address range and firewall rules.
        listed = f"network{'s' * (len(off) > 1)} {', '.join(map(repr, off))}"
        yield Finding(
            name="networks",
            state="warn",
            meaning=f"Not started: libvirt's {listed}, which machines may be plugged into.",
            commands=tuple(f"virsh -c {known.uri} net-start {name}" for name in off),
        )
        return
    count = len(known.networks)
    words = f"{count} of libvirt's own networks {'are' if count > 1 else 'is'} up." if count else "libvirt has none."
    yield Finding(name="networks", state="ok", meaning=words)
