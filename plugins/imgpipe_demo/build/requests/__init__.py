"""In place of `requests` in the installer: pykickstart imports it to load from a URL."""

from . import exceptions as exceptions


def get(url: str, **_options: object) -> object:
    """Refuse: there is no network."""
    raise exceptions.RequestException(f"the stand-in's installer has no network for {url}")
