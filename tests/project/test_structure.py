"""Rules about the project itself, so that they do not erode."""

import ast

import pytest

from imgpipe import hookspecs
from imgpipe.settings import checkout

ROOT = checkout()
SOURCES = sorted(path for top in ("pipeline", "plugins") for path in (ROOT / top).rglob("*.py"))
OURS = [path for path in SOURCES if "installer" not in path.parts and "guest_worker" not in path.parts]
ONLY_IN_ADAPTERS = {"subprocess", "libvirt", "guestfs", "requests", "urllib.request", "pycdlib", "socket", "http"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", OURS, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_adapters_touch_the_outside_world(path):
    names = set(imported(ast.parse(path.read_text())))
    tops = names | {name.partition(".")[0] for name in names}
    assert "adapters" in path.parts or not ONLY_IN_ADAPTERS & tops


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 40, f"{node.name} is too long"


def test_only_one_module_speaks_to_pluggy():
    users = {path.name for path in SOURCES if "pluggy" in set(imported(ast.parse(path.read_text())))}
    assert users == {"hookspecs.py", "plugins.py"}


BY_NAME = {"read_text", "read_bytes", "write_text", "write_bytes", "open"}
OF_OTHERS = (
    # The host's own files; what libvirt and QEMU have; what runs in a guest's appliance; what imgpipe is made of, or
    # made a moment ago in a folder of its own.
    "host", "adapters", "guest_worker", "first_boot.py", "settings.py", "signature.py", "debian_root.py", "newc.py",
    "streams.py", "named_files.py", "own_files.py",
)  # fmt: skip


@pytest.mark.parametrize(
    "path", sorted((ROOT / "pipeline").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_data_root_is_opened_in_one_place(path):
    """Whoever opens a file by its name waits for a FIFO, and reads and writes through links."""
    if set(OF_OTHERS) & set(path.parts):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BY_NAME:
            assert ast.unparse(node.func.value) == "os", ast.unparse(node)


def hooks():
    return [name for name in vars(hookspecs) if name.startswith("imgpipe_")]


@pytest.mark.parametrize("name", hooks())
def test_every_hook_is_documented_and_tested(name):
    assert f"`{name}" in (ROOT / "docs" / "plugins.md").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "unit" / "core").glob("test_plugins*.py"))
    assert name in tests


def test_the_locks_carry_no_address():
    for lock in ROOT.glob("*.lock"):
        assert "://" not in lock.read_text()


def test_every_recipe_is_named_in_the_golden_data():
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.toml")}
    assert recipes == {path.name for path in (ROOT / "tests" / "golden" / "data").iterdir()}


def test_no_module_is_a_drawer_for_leftovers():
    assert not {path.stem for path in SOURCES} & {"utils", "util", "helpers", "common", "misc", "manager", "base"}


def test_the_tree_is_what_the_readme_says():
    text = (ROOT / "README.md").read_text()
    for name in ("pipeline/", "plugins/", "recipes/", "tests/", "docs/"):
        assert name in text
        assert (ROOT / name).is_dir()


def test_no_machine_is_described_without_asking_what_its_libvirt_takes():
    """`domain_xml` assumes the newest libvirt where it is told of none, which is for tests."""
    calls = [
        (path.name, len(node.args))
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "domain_xml"
    ]
    assert calls
    assert {count for _, count in calls} == {2}, calls
