import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from stand_in_host import host, run, shop_toml  # noqa: F401

from sample_catalog import add_image, store  # noqa: F401
