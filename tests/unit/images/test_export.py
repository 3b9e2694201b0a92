import hashlib

import pytest

from imgpipe.errors import HostError, RecipeError
from imgpipe.images import retire
from imgpipe.images.export import export


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
            export(image, tmp_path / "out", heard, form=form)
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
