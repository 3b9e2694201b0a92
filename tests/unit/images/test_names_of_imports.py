"""A name that no image can have is refused before anything is copied or asked."""

from types import SimpleNamespace

import pytest

from imgpipe.adapters.hypervisor import _only_disk
from imgpipe.cli import importing as command
from imgpipe.errors import RecipeError
from imgpipe.importing import import_disk
from imgpipe.store import Store


@pytest.mark.parametrize("name", ["", "..", "../etc", "a/b", "-x", ".hidden", "a b", "a\n", "x" * 65, "ä", "a\0"])
def test_a_name_that_no_image_can_have_is_refused_first(tmp_path, name):
    with pytest.raises(RecipeError, match="is no name for an image"):
        import_disk(name, tmp_path / "none", SimpleNamespace(store=Store(tmp_path / "data")))
    assert not (tmp_path / "data").exists()
    with pytest.raises(RecipeError, match="is no name for an image"):
        command.import_image(name=name, domain="vm001")


def test_a_format_is_the_definitions_and_cannot_be_told_besides():
    with pytest.raises(RecipeError, match="in its definition"):
        command.import_image(name="web", domain="vm001", form="raw")


@pytest.mark.parametrize(
    ("driver", "form"),
    [
        ("<driver type='raw'/>", "raw"),
        ("<driver name='qemu'/>", "raw"),
        ("", "raw"),
        ("<driver type='qcow2'/>", "qcow2"),
    ],
)
def test_the_definition_says_the_format_and_silence_is_raw(driver, form):
    xml = f"<domain><devices><disk>{driver}<source file='/none/a.img'/></disk></devices></domain>"
    assert _only_disk("vm001", xml)[1] == form


@pytest.mark.parametrize("disks", ["", "<disk><source dev='/dev/sda'/></disk>", "<disk><source file='/a'/></disk>" * 2])
def test_a_machine_without_exactly_one_file_is_refused(disks):
    with pytest.raises(RecipeError, match="exactly one disk"):
        _only_disk("vm001", f"<domain><devices>{disks}</devices></domain>")


def test_another_format_of_a_definition_is_refused():
    xml = "<domain><devices><disk><driver type='vmdk'/><source file='/a'/></disk></devices></domain>"
    with pytest.raises(RecipeError, match="'vmdk', not qcow2 or raw"):
        _only_disk("vm001", xml)
