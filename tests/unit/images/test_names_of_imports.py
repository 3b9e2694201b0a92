"""A name that no image can have is refused before anything is copied or asked."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from imgpipe.adapters.hypervisor import _only_disk
from imgpipe.cli import context
from imgpipe.cli import importing as command
from imgpipe.domain_features import NEWEST
from imgpipe.errors import HostError, RecipeError
from imgpipe.importing import import_disk
from imgpipe.store import Store
from sample_images import sample_plan


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


class OldHypervisor:
    """A libvirt of another age, which nothing is started by."""

    local = False

    def accelerator(self):
        return "tcg"

    def features(self, accelerator):
        return replace(NEWEST, libvirt=self.libvirt, accelerator=accelerator)

    def close(self):
        """Nothing to end."""


@pytest.fixture
def imported(monkeypatch, tmp_path):
    """Import a disk by a libvirt of a version; return what was sealed, and hear what was told."""
    sealed = []
    hypervisor = OldHypervisor()
    monkeypatch.setattr(context, "hypervisor", lambda _notify: hypervisor)
    monkeypatch.setattr(context, "store", lambda: Store(tmp_path))
    monkeypatch.setattr("imgpipe.importing.import_disk", lambda *_, **__: None)
    monkeypatch.setattr("imgpipe.importing.imported_plan", lambda *_: sample_plan())
    monkeypatch.setattr("imgpipe.build.seal_and_publish", lambda plan, *_: sealed.append(plan) or "image")

    def run(version):
        hypervisor.libvirt = version
        command._import(command.ImportOptions(name="web", disk=tmp_path / "disk"))
        return sealed

    return run


def test_an_import_is_verified_by_a_libvirt_that_can_or_refused_before(imported, capsys):
    with pytest.raises(HostError, match="not ready for the import of 'rocky9'") as caught:
        imported((6, 0, 0))
    assert "libvirt 6.0.0 is too old" in caught.value.details[0]
    assert len(imported((7, 5, 0))) == 1
    assert "translation cache" in capsys.readouterr().err
