import json

import pytest

from imgpipe.errors import HostError
from imgpipe_windows_standin import plugin, setup_medium, virtio_medium, virtio_tree


def test_both_makers_are_registered():
    assert [maker.name for maker in plugin.imgpipe_medium_makers()] == ["windows-setup-stand-in", "virtio-win-stand-in"]


def test_a_fingerprint_changes_with_the_program(monkeypatch, tmp_path):
    before = setup_medium.fingerprint()
    assert before == setup_medium.fingerprint() != virtio_medium.fingerprint()
    changed = tmp_path / "init"
    changed.write_text("#!/bin/sh\n")
    kit = [(name, changed if name == "init" else path) for name, path in setup_medium._kit()]
    monkeypatch.setattr(setup_medium, "_kit", lambda: kit)
    assert setup_medium.fingerprint() != before


def test_a_missing_program_is_named_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(setup_medium.process, "is_installed", lambda name: name != "cpio")
    with pytest.raises(HostError, match="'cpio'"):
        setup_medium.make(tmp_path / "media" / "setup.iso", lambda _line: None)
    assert not list(tmp_path.iterdir())


def test_the_keys_are_an_environment_block_of_grub():
    keys = setup_medium.keys()
    assert len(keys) == 1024
    assert keys.startswith(b"# GRUB Environment Block\nenter=\r\nescape=\x1b\n#")


def test_the_drivers_are_where_a_real_medium_has_them():
    files = virtio_tree.files()
    assert "viostor/2k16/amd64/viostor.inf" in files
    assert "amd64/2k16/viostor.inf" in files
    assert "vioserial/2k25/amd64/vioser.sys" in files
    assert "guest-agent/qemu-ga-x86_64.msi" in files
    assert "qxldod/2k19/amd64/qxldod.inf" in files
    assert "qxldod/2k22/amd64/qxldod.inf" not in files
    assert "viogpudo/2k22/amd64/viogpudo.inf" in files
    assert "viogpudo/2k8R2/amd64/viogpudo.inf" not in files


def test_the_list_of_drivers_is_that_of_the_tree():
    files = virtio_tree.files()
    listed = {entry["inf_path"] for entry in json.loads(files["data/info.json"])["drivers"]}
    assert listed == {path for path in files if path.endswith(".inf") and not path.startswith(("amd64/", "i386/"))}


def test_every_dummy_says_that_it_is_one():
    files = virtio_tree.files()
    assert all("imgpipe" in text for path, text in files.items() if path != "data/info.json")
