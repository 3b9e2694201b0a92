"""What is said before anything slow begins."""

import pytest
import typer
from typer.testing import CliRunner

from imgpipe.cli import context, importing
from imgpipe.errors import HostError


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
