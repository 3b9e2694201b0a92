import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import pytest
from stand_in_host import host, run, shop_toml  # noqa: F401

from sample_catalog import add_image, store  # noqa: F401


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """This host's own addresses and public host keys."""
    addresses, keys = {}, []
    monkeypatch.setattr("imgpipe.adapters.host_facts.addresses_here", lambda: addresses)
    monkeypatch.setattr("imgpipe.adapters.ssh_keyscan.own_keys", lambda: tuple(keys))
    return addresses, keys
