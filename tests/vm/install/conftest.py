"""The fixtures of the tests of real installs."""

from install_site import daemon, emulate, site

__all__ = ["daemon", "emulate", "site"]
