"""Classic names (eth0, eth1) for the NICs of the host: by kernel arguments, or pinned to MAC addresses."""
