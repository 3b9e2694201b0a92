"""libvirt's event loop: one thread for the process, started before the first connection."""

from __future__ import annotations

import threading

import libvirt

_lock = threading.Lock()
_started = threading.Event()


def start_event_loop() -> None:
    """Run libvirt's own event loop in a daemon thread, once; events and keep-alives need it."""
    with _lock:
        if _started.is_set():
            return
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run, name="libvirt-events", daemon=True).start()
        _started.set()


def _run() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
