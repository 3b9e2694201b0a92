"""Identities of machines: rendered on the host, carried in the definition, applied and reported by the guest."""
