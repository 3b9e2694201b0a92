"""Benchmarks: ratios against a peer in the same run, since machines differ and are noisy."""
