"""Kernel settings that no longer exist: setting one is an error, or ends a script that runs sysctl(8)."""

from __future__ import annotations

# The kernel version that removed the key; those of distributions alone are gone from any kernel.
_REMOVED: dict[str, tuple[int, int]] = {
    "net.ipv4.tcp_tw_recycle": (4, 12),
    "net.ipv4.tcp_abc": (3, 9),
    "net.ipv4.tcp_cookie_size": (3, 10),
    "net.ipv4.tcp_frto_response": (3, 10),
    "net.ipv4.tcp_max_ssthresh": (3, 9),
    "net.ipv4.tcp_dma_copybreak": (3, 18),
    "net.ipv4.ip_conntrack_max": (2, 6),
    "net.ipv4.netfilter.ip_conntrack_max": (4, 9),
    "vm.swap_token_timeout": (3, 5),
    "kernel.exec-shield": (0, 0),
    "kernel.maps_protect": (2, 6),
    "kernel.sched_latency_ns": (5, 13),
    "kernel.sched_min_granularity_ns": (5, 13),
    "kernel.sched_wakeup_granularity_ns": (5, 13),
    "kernel.sched_migration_cost_ns": (5, 13),
    "kernel.sched_tunable_scaling": (5, 13),
    "kernel.sched_nr_migrate": (5, 13),
}


def removal(key: str, kernel: tuple[int, int]) -> str:
    """Return a phrase that says when the kernel lost `key`, or nothing where `kernel` still has it."""
    gone = _REMOVED.get(key.replace("/", "."))
    if gone is None or gone > kernel:
        return ""
    return f"was removed from Linux {gone[0]}.{gone[1]}" if gone[0] else "was never in Linux itself"
