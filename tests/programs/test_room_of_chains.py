"""The room that a copy takes is asked for before it is made, and is that of all files of a chain."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from disk_chain import overlay_of_100_mib
from imgpipe import importing
from imgpipe.deploy import foreign_template
from imgpipe.deploy.foreign import GuestFacts
from imgpipe.disk_source import check_source
from imgpipe.errors import HostError, RecipeError
from imgpipe.host.room import allocated
from imgpipe.sizes import MIB
from imgpipe.store import Store

pytestmark = pytest.mark.programs


def test_what_a_copy_takes_is_what_the_whole_chain_uses(tmp_path):
    top = overlay_of_100_mib(tmp_path)
    used = allocated(check_source(top, trusted=(tmp_path,)))
    assert 101 * MIB <= used < 102 * MIB
    checked = check_source(top, trusted=(tmp_path,))
    (tmp_path / "base.img").unlink()
    with pytest.raises(HostError, match=r"base\.img' cannot be read"):
        allocated(checked)


def test_an_import_without_room_for_the_chain_copies_nothing(tmp_path, monkeypatch):
    top, store = overlay_of_100_mib(tmp_path), Store(tmp_path / "root")
    workplace = SimpleNamespace(store=store, hypervisor=SimpleNamespace(accelerator=lambda: "tcg"), notify=print)
    free = 100 * MIB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    with pytest.raises(HostError, match="100 MiB are free"):
        importing.import_disk("copy", top, workplace, trusted=(tmp_path,))
    assert not list(store.root.glob("work/*/installed*"))

    def looked_at(_disk, **_how):
        raise RecipeError("looked at")

    monkeypatch.setattr(importing, "open_disk", looked_at)
    free = 104 * MIB
    with pytest.raises(RecipeError, match="looked at"):
        importing.import_disk("copy", top, workplace, trusted=(tmp_path,))
    assert list(store.root.glob("work/*/installed.qcow2"))


def test_a_foreign_template_is_as_large_as_its_chain(tmp_path, monkeypatch):
    facts = GuestFacts(distro="rocky", version="9.4", present=frozenset(("/usr/lib/systemd/systemd",)), interfaces="")
    found = foreign_template.Found(facts=facts, systems=("rocky9.4", "rocky9"))
    monkeypatch.setattr(foreign_template, "look", lambda *_, **__: found)
    checked = check_source(overlay_of_100_mib(tmp_path), trusted=(tmp_path,))
    made = foreign_template.foreign_template(checked, Store(tmp_path / "root"), "tcg")
    assert made.size == allocated(checked)
