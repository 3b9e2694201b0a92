"""One archive that says how a host is, for people who cannot look at it: without secrets, addresses and names of users.

It shows, and judges nothing: what doctor found is one file of it.
"""
