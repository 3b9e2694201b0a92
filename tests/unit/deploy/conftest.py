import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sample_catalog import add_image, store  # noqa: F401
