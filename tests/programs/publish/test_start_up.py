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


SLOW = (
    "pluggy", "libvirt", "cyclonedx", "jinja2", "jsonschema", "yaml", "requests", "rich.console", "rich.live", "PIL",
    "pycdlib", "passlib", "pykickstart", "tree_sitter", "xml.etree.ElementTree", "asyncio",
)  # fmt: skip
RECORDS = ("imgpipe.recipe", "imgpipe.plan", "imgpipe.os_family", "imgpipe.plugins", "imgpipe.core", "imgpipe.settings")
PLUGINS = ("imgpipe_el", "imgpipe_debian", "imgpipe_ubuntu", "imgpipe_windows", "imgpipe_demo")


@pytest.mark.parametrize("words", ["--help", "build --help", "deploy --help", "machines start --help", "images --help"])
def test_help_loads_neither_plugins_nor_records_nor_what_is_slow(words):
    # typer itself reads values by pydantic, and loads it with the first command that has some.
    missed = {*SLOW, *RECORDS, *PLUGINS, *([] if words != "--help" else ["pydantic", "pydantic_core"])}
    script = (
        f"import atexit, sys; sys.argv = ['imgpipe', *{words.split()!r}]\n"
        f"atexit.register(lambda: print(sorted({missed!r} & set(sys.modules)), file=sys.stderr))\n"
        "from imgpipe.cli.main import main; main()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert "Usage: imgpipe" in done.stdout
    assert done.stderr.strip() == "[]"
