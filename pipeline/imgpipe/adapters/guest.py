"""Guests' disks, offline: libguestfs in a worker process of its own."""
