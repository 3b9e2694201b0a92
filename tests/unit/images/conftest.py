import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from sample_catalog import add_image, heard, store  # noqa: F401


@pytest.fixture(autouse=True)
def temporary_place(tmp_path_factory, monkeypatch):
    """Give each test a place for temporary folders: what other runs left in the host's own is none of its leftovers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
