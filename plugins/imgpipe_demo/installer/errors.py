"""What stops an installation."""

from __future__ import annotations


class InstallError(Exception):
    """A fatal error: the text is what Anaconda shows for it."""


class KickstartError(Exception):
    """The kickstart cannot be read: Anaconda dies of this before it can obey the kickstart's final action."""
