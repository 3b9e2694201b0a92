import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.programs


@pytest.mark.parametrize("module", ["imgpipe.cli.images", "imgpipe.cli.progress", "imgpipe.cli.output"])
def test_what_is_slow_to_load_is_loaded_only_by_what_needs_it(module):
    script = f"import sys, {module}; print(*{{'pydantic', 'cyclonedx', 'libvirt', 'rich.live'}} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == ""
