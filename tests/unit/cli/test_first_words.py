"""What is said before anything slow begins."""

import pytest
import typer
from typer.testing import CliRunner

from imgpipe.cli import clone, context, deploy, doctor, images, importing, media
from imgpipe.errors import HostError
from imgpipe.host.doctor import run
from imgpipe.media import find, listing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--disk", "web.qcow2"), "Looking at the disk 'web.qcow2'; it is copied, and never changed."),
        (("--domain", "vm001"), "Looking at the machine 'vm001'; it is copied, and never changed."),
    ],
)
def test_an_import_says_what_it_does_before_libvirt_is_asked(monkeypatch, tmp_path, words, said):
    def slow(*_, **__):
        raise HostError("libvirt is asked only now.")

    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    monkeypatch.setattr(context, "hypervisor", slow)
    app = typer.Typer()
    app.command("import")(importing.import_image)
    ran = CliRunner().invoke(app, ["old", *words])
    assert str(ran.exception) == "libvirt is asked only now."
    assert said in ran.stderr


class Slow(Exception):
    """What takes long begins only now."""


def slow(*_, **__):
    raise Slow


def said_before(command, name, words, monkeypatch, place, attribute):
    """Run a command whose slow part is `attribute` of `place`; return what it said until then."""
    monkeypatch.setattr(place, attribute, slow)
    app = typer.Typer()
    app.command(name)(command)
    app.command("other")(lambda: None)
    ran = CliRunner().invoke(app, [name, *words])
    assert isinstance(ran.exception, Slow), ran.output
    return ran.stderr


@pytest.mark.parametrize("more", [(), ("--plan",), ("--plan", "--json")])
def test_a_deploy_says_what_it_does_before_libvirt_is_asked(monkeypatch, tmp_path, more):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    (tmp_path / "web.qcow2").touch()
    words = ("--import", str(tmp_path / "web.qcow2"), "--name", "web2", *more)
    said = said_before(deploy.deploy, "deploy", words, monkeypatch, context, "hypervisor")
    assert said == "web2: looking at its templates, at libvirt's machines and at the pool.\n"


def test_a_clone_says_what_it_does_before_libvirt_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    words = ("vm001", "vm005", "--plan")
    said = said_before(clone.clone, "clone", words, monkeypatch, context, "hypervisor")
    assert said == "Looking at the machine 'vm001'; it is not changed.\n"


def test_removing_old_images_says_what_is_asked_first(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    said = said_before(images.prune, "prune", ("--dry-run",), monkeypatch, context, "in_use_by")
    assert said == "Asking which machines and disks need which image.\n"


def test_doctor_says_what_it_boots_before_it_does(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    said = said_before(doctor.doctor, "doctor", ("--deep",), monkeypatch, run, "run")
    assert said == "Booting a kernel and libguestfs' appliance; without KVM that takes minutes.\n"


def test_a_list_of_isos_says_how_many_are_read(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path))
    monkeypatch.setenv("IMGPIPE_MEDIA", str(tmp_path))
    monkeypatch.setattr(find, "_HOST_FOLDERS", ())
    monkeypatch.chdir(tmp_path)
    for name in ("a.iso", "b.iso"):
        (tmp_path / name).touch()
    said = said_before(media.list_media, "list", (), monkeypatch, listing, "open_iso")
    assert said == "Reading what 2 ISO files say.\n"
