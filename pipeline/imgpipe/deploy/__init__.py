"""Machines made from golden images: what is asked for, what is there, what must change, and doing it."""
