import sys
from pathlib import Path

# The sample plan is shared with the tests that start an appliance.
sys.path.insert(0, str(Path(__file__).parents[2] / "vm"))
