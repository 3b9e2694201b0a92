import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from imgpipe.errors import HostError, RecipeError
from imgpipe.images import export as exporting
from imgpipe.images import retire
from imgpipe.images.export import Encoding, export


def test_a_copy_has_its_checksum_beside_it_as_sha256sum_reads_it(add_image, heard, tmp_path):
    image = add_image("rocky9", "20260301.1")
    written = export(image, tmp_path, heard)
    assert written.path == tmp_path / "rocky9-20260301.1.qcow2"
    assert written.path.read_bytes() == image.disk.read_bytes()
    digest = hashlib.sha256(image.disk.read_bytes()).hexdigest()
    assert (tmp_path / "rocky9-20260301.1.qcow2.sha256").read_text() == f"{digest}  rocky9-20260301.1.qcow2\n"


@pytest.mark.parametrize("taken", ["out.qcow2", "out.qcow2.sha256"])
def test_nothing_is_overwritten_unless_forced(add_image, heard, tmp_path, taken):
    image = add_image("rocky9", "20260301.1")
    (tmp_path / taken).write_text("mine")
    with pytest.raises(RecipeError, match="exists"):
        export(image, tmp_path / "out.qcow2", heard)
    assert (tmp_path / taken).read_text() == "mine"
    export(image, tmp_path / "out.qcow2", heard, force=True)
    assert (tmp_path / "out.qcow2").read_bytes() == image.disk.read_bytes()


def test_a_damaged_image_is_not_passed_on(add_image, heard, tmp_path):
    image = add_image("rocky9", "20260301.1")
    image.disk.chmod(0o644)
    image.disk.write_bytes(image.disk.read_bytes().replace(b"disk", b"disc"))
    for form in ("qcow2", "raw"):
        with pytest.raises(HostError, match="damaged"):
            export(image, tmp_path / "out", heard, Encoding(form=form))
    assert not list(tmp_path.glob("out*"))


def test_a_folder_that_is_not_there_is_not_made(add_image, heard, tmp_path):
    with pytest.raises(RecipeError, match="does not exist"):
        export(add_image("rocky9", "20260301.1"), tmp_path / "typo" / "out.qcow2", heard)
    assert not (tmp_path / "typo").exists()


def test_an_image_that_is_removed_while_it_is_copied_is_still_whole(add_image, store, tmp_path):
    image = add_image("rocky9", "20260301.1")
    content = image.disk.read_bytes()

    def removed_meanwhile(_event):
        if image.folder.exists():
            retire.remove(store, image, lambda _: ())

    written = export(image, tmp_path, removed_meanwhile)
    assert not image.folder.exists()
    assert written.path.read_bytes() == content


@pytest.mark.parametrize("step", ["_copy", "sha256_of_open"])
def test_a_link_that_somebody_puts_where_an_export_writes_is_not_followed(
    add_image, heard, tmp_path, monkeypatch, step
):
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("somebody's")
    done = getattr(exporting, step)

    def swapped(*how):
        (folder / "out.partial").unlink(missing_ok=True)
        (folder / "out.partial").symlink_to(victim)
        return done(*how)

    monkeypatch.setattr(exporting, step, swapped)
    with pytest.raises(HostError, match="was replaced while it was written"):
        export(add_image("rocky9", "20260301.1"), folder / "out", heard)
    assert victim.read_text() == "somebody's"
    assert not (folder / "out").exists()


def test_a_link_in_the_place_of_an_unfinished_export_is_removed_and_not_followed(add_image, heard, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("somebody's")
    (tmp_path / "out.partial").symlink_to(victim)
    image = add_image("rocky9", "20260301.1")
    assert export(image, tmp_path / "out", heard).path.read_bytes() == image.disk.read_bytes()
    assert victim.read_text() == "somebody's"
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o666 & ~mask


def test_an_export_crosses_file_systems(add_image, heard, tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as there:
        if Path(there).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("there is one file system only")
        image = add_image("rocky9", "20260301.1")
        assert export(image, Path(there), heard).path.read_bytes() == image.disk.read_bytes()
