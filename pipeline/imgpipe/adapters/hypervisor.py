"""libvirt: the only module that imports it."""

from __future__ import annotations


class Hypervisor:
    """A connection to one libvirt daemon."""
