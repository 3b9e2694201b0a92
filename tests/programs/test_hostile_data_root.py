"""Commands on a data root in which something stands in the place of imgpipe's files: none waits, or believes it."""

import json
import os
import subprocess
import sys

import pytest

from imgpipe.adapters.seed_iso import write_seed
from imgpipe.store import Store
from planted import KINDS, SECRET, plant
from sample_catalog import add_image, store  # noqa: F401

pytestmark = pytest.mark.programs

IMGPIPE = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")
_PATIENCE_S = 300


# The file, the command that reads it, and how it ends: what only saves time is asked for again.
COMMANDS = {
    "salt": ("plan rocky9", 3),
    "images/rocky9/20260301.1/manifest.json": ("images verify --all", 3),
    "images/rocky9/20260301.1/golden.qcow2": ("images show rocky9", 3),
    "cache/digests.json": ("media check {iso}", 0),
    "locks/digests.lock": ("media check {iso}", 0),
    "work/0123456789abcdef": ("images prune --dry-run --without-libvirt", 0),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_that_was_planted_is_waited_for_or_believed(add_image, store: Store, tmp_path, name):  # noqa: F811
    words, code = COMMANDS[name]
    write_seed(tmp_path / "m.iso", "x", {"a": b""})
    victim = tmp_path / "victim"
    for number, kind in enumerate(KINDS, 1):
        if kind in ("junk", "deep JSON") and name.startswith("images/") and name.endswith(".qcow2"):
            # A disk of other bytes is for 'images verify' to find, not for 'show'.
            continue
        if not (store.images / "rocky9").exists():
            add_image("rocky9", "20260301.1")
        path = store.root / name
        kept = path.with_name(f"kept-{number}")
        if path.is_file():
            path.rename(kept)
        plant(kind, path, victim)
        done = run(words.format(iso=tmp_path / "m.iso"), store.root, f"{kind} as '{name}'")
        assert done.returncode == code, (kind, done.stderr)
        assert "Traceback" not in done.stderr
        assert SECRET.strip() not in done.stdout + done.stderr
        assert victim.read_text() == SECRET
        remove(path)
        if kept.exists():
            kept.rename(path)


def run(words, data, what):
    env = {**os.environ, "IMGPIPE_HOME": str(data), "IMGPIPE_ACCELERATOR": "tcg", "TMPDIR": str(data.parent)}
    try:
        return subprocess.run(
            [*IMGPIPE, *words.split()],
            env=env,
            cwd=data.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        pytest.fail(f"'imgpipe {words}' waits for {what}")


def remove(path):
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def test_what_was_planted_for_a_digest_is_replaced_by_the_digest(tmp_path):
    store = Store(tmp_path / "root")  # noqa: F811
    write_seed(tmp_path / "m.iso", "x", {"a": b""})
    plant("a link", store.cache / "digests.json", tmp_path / "victim")
    assert run(f"media check {tmp_path / 'm.iso'}", store.root, "a link").returncode == 0
    assert str(tmp_path / "m.iso") in json.loads((store.cache / "digests.json").read_text())
    assert not (store.cache / "digests.json").is_symlink()
    assert (tmp_path / "victim").read_text() == SECRET
