"""The guest's program imports hivex, which only the guest has."""

import sys
from types import ModuleType

sys.modules.setdefault("hivex", ModuleType("hivex"))
