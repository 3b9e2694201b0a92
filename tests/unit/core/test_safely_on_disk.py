"""A finished name stands for bytes that a loss of power does not take."""

import os
from pathlib import Path

import pytest

from imgpipe.store import finished_file, finished_folder


@pytest.fixture
def steps(monkeypatch):
    """Note what is written out, by the name that it has then, and what is renamed."""
    noted = []
    sync, replace, rename = os.fsync, os.replace, os.rename

    def synced(descriptor):
        noted.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        sync(descriptor)

    def moved(do):
        def move(source, target, **options):
            noted.append(("rename", Path(target).name))
            do(source, target, **options)

        return move

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", moved(replace))
    monkeypatch.setattr(os, "rename", moved(rename))
    return noted


def test_a_file_is_written_out_before_it_gets_its_name_and_its_folder_after(tmp_path, steps):
    folder = tmp_path / "images"
    with finished_file(folder / "manifest.json") as partial:
        partial.write_text("{}")
    assert steps == [("sync", "manifest.json.partial"), ("rename", "manifest.json"), ("sync", "images")]


def test_a_folder_is_written_out_with_all_in_it_before_it_gets_its_name(tmp_path, steps):
    folder = tmp_path / "rocky9"
    with finished_folder(folder / "20260301.1") as partial:
        (partial / "side").mkdir()
        (partial / "side" / "golden.qcow2").write_bytes(b"disk")
    at = steps.index(("rename", "20260301.1"))
    assert {name for verb, name in steps[:at] if verb == "sync"} == {"side", "golden.qcow2", partial.name}
    assert steps[at + 1 :] == [("sync", "rocky9")]
