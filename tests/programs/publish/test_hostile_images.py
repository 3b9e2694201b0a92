"""Images in the catalog that are not whole by themselves, against qemu-img itself."""

import subprocess

import pytest

from imgpipe.adapters.image_headers import data_file_of
from imgpipe.deploy.templates import of_catalog
from imgpipe.errors import HostError
from imgpipe.images import soundness
from imgpipe.images.disk_uses import DiskUse, DiskUses, UseGraph
from imgpipe.images.export import Encoding, export

SIZE = 2**20


def create(*argv):
    """Make a qcow2 with qemu-img."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *map(str, argv)], check=True)


@pytest.fixture
def neighbour(tmp_path):
    """A file that no image may be read from."""
    path = tmp_path / "neighbour.img"
    path.write_bytes(b"n" * SIZE)
    return path


@pytest.mark.parametrize(
    "options", [("-b", "{neighbour}", "-F", "raw"), ("-o", "data_file={neighbour},data_file_raw=on")]
)
def test_an_image_whose_data_is_in_another_file_is_not_sound_and_not_converted(
    tmp_path, neighbour, store, add_image, heard, options
):
    golden = tmp_path / "golden.qcow2"
    more = [option.format(neighbour=neighbour) for option in options]
    kept = neighbour.read_bytes()
    create(*more, golden, SIZE)
    neighbour.write_bytes(kept)
    image = add_image("rocky9", "20260301.1", golden)
    (fault,) = soundness.faults(image, heard)
    assert fault.startswith("it is not whole by itself")
    for form in ("raw", "vmdk", "vhdx"):
        with pytest.raises(HostError, match="is damaged: it is not whole by itself"):
            export(image, tmp_path / "out", heard, Encoding(form=form))
    assert not list(tmp_path.glob("out*"))
    with pytest.raises(HostError, match="is damaged: it is not whole by itself"):
        of_catalog(store, image.reference)


def test_an_image_that_is_not_as_large_as_its_manifest_says_is_not_converted(tmp_path, add_image, heard):
    golden = tmp_path / "golden.qcow2"
    create(golden, 2 * SIZE)
    image = add_image("rocky9", "20260301.1", golden)
    assert soundness.faults(image, heard) == (f"the disk has {2 * SIZE} bytes; the manifest says {2**30}",)
    with pytest.raises(HostError, match="the manifest says"):
        export(image, tmp_path / "out", heard, Encoding(form="raw"))


def test_who_keeps_an_images_data_in_another_file_needs_that_file(tmp_path):
    """libvirt's definitions do not name it, and no chain has it."""
    data, top, small = tmp_path / "data.raw", tmp_path / "top.qcow2", tmp_path / "small.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", top, "1M"], check=True
    )
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", small, "1M"], check=True)
    uses = tuple(DiskUse(owner=path.stem, chain=(str(path),)) for path in (top, small))
    graph = UseGraph(DiskUses(uri="", local=True, uses=uses))
    assert graph.users(data) == ("top",)
    assert data_file_of(small) is None
