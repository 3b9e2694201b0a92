"""Files of the data root: whatever stands in the place of one is neither waited for, nor believed, nor written to."""

import os
import stat
from functools import partial

import pytest

from bounds import bounded_by
from imgpipe import importing, manifest, own_files, provenance
from imgpipe.adapters import accelerator, download
from imgpipe.deploy import foreign_template
from imgpipe.digest import sha256_of
from imgpipe.errors import HostError
from imgpipe.host.network import records
from imgpipe.host.nic_names import changing
from imgpipe.images import catalog
from imgpipe.media import digests
from imgpipe.stages import seed, sysprep
from imgpipe.stages.following import FollowedFile
from imgpipe.store import Store
from imgpipe.timings import Timings
from planted import KINDS, SECRET, plant

bounded = partial(bounded_by, seconds=60, memory=64 * 2**20)


MEMORIES = {
    "timings.json": lambda root: Timings(root / "timings.json", "x").estimate("install"),
    "cache/digests.json": lambda root: digests._load(Store(root)) or None,
    "cache/accelerator.json": lambda root: accelerator.remembered(root / "cache", "qemu:///system", {}),
    "cache/foreign/0123.json": lambda root: foreign_template._known(root / "cache/foreign/0123.json"),
    "cache/abc/medium.iso.part.json": lambda root: (
        download._Transfer("http://x/medium.iso", root / "cache/abc/medium.iso.part", None)._validator() or None
    ),
    "work/k/inspection.json": lambda root: importing._inspection(root / "work/k"),
    "work/k/install.json": lambda root: provenance.read_record(root / "work/k"),
    "work/k/sealed-k.json": lambda root: sysprep._kept(root / "work/k/sealed-k.json"),
    "work/k/seed.json": lambda root: seed._is_whole(root / "work/k", ()) or None,
}
"""What only saves work, by its name, and how it is read: None where nothing is known."""

RECORDS = {
    "salt": lambda root: Store(root).salt(),
    "images/x/20260301.1/manifest.json": lambda root: manifest.read(root / "images/x/20260301.1/manifest.json"),
    "images/x/.newest-removed": lambda root: catalog.taken_versions(Store(root), "x"),
    "network/0001/change.json": lambda root: records.read_change(root / "network/0001/change.json"),
    "names/0001/record.json": lambda root: changing.roll_back(root, root / "names", lambda *_: ""),
}
"""What cannot be made again, and how it is read: a sentence where it cannot be."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MEMORIES)
def test_a_memory_that_is_no_plain_file_is_asked_for_again(tmp_path, name, kind):
    victim = tmp_path / "victim"
    plant(kind, tmp_path / "root" / name, victim)
    with bounded(f"{kind} instead of '{name}'"):
        assert MEMORIES[name](tmp_path / "root") is None
    assert victim.read_text() == SECRET


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_is_no_plain_file_is_told_in_a_sentence(tmp_path, name, kind):
    victim = tmp_path / "victim"
    path = tmp_path / "root" / name
    plant(kind, path, victim)
    with bounded(f"{kind} instead of '{name}'"), pytest.raises(HostError, match=r"\.$") as caught:
        RECORDS[name](tmp_path / "root")
    assert str(path) in str(caught.value)
    assert SECRET.strip() not in str(caught.value)
    assert victim.read_text() == SECRET
    assert os.path.lexists(path)


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("act", [own_files.is_own, sha256_of, lambda path: FollowedFile(path).read()])
def test_a_disk_or_console_that_is_no_plain_file_is_refused(tmp_path, act, kind):
    path = tmp_path / "root" / "installed.qcow2"
    plant(kind, path, tmp_path / "victim")
    with bounded(kind), pytest.raises(OSError, match=r"no plain file: .*installed\.qcow2"):
        act(path)


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("append", [False, True])
def test_nothing_is_written_through_what_is_no_plain_file(tmp_path, kind, append):
    path, victim = tmp_path / "root" / "clone.log", tmp_path / "victim"
    plant(kind, path, victim)
    with bounded(kind), pytest.raises(OSError, match="no plain file"):
        own_files.open_for_writing(path, append=append)
    with pytest.raises(FileExistsError):
        own_files.write_new(path, "x")
    assert victim.read_text() == SECRET


def test_a_dangling_link_is_not_filled(tmp_path):
    path = tmp_path / "clone.log"
    path.symlink_to(tmp_path / "new")
    with pytest.raises(OSError, match="no plain file"):
        own_files.open_for_writing(path)
    assert not (tmp_path / "new").exists()


def test_a_log_is_added_to_and_a_file_is_written_anew(tmp_path):
    path = tmp_path / "x.log"
    for text, append, whole in ((b"one", True, b"one"), (b"two", True, b"onetwo"), (b"new", False, b"new")):
        with own_files.open_for_writing(path, append=append, mode=0o600) as file:
            file.write(text)
        assert path.read_bytes() == whole
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_salt_of_another_length_is_none(tmp_path, size):
    (tmp_path / "salt").write_bytes(b"x" * size)
    with pytest.raises(HostError, match="salt"):
        Store(tmp_path).salt()


@pytest.mark.parametrize("kind", ["a FIFO", "a link", "a link to a folder", "junk"])
def test_a_work_folder_is_neither_made_nor_changed_through_a_link(tmp_path, kind):
    store, victim = Store(tmp_path / "root"), tmp_path / "victim"
    if kind == "a link to a folder":
        victim.mkdir(mode=0o700)
        (store.root / "work").mkdir(parents=True)
        (store.root / "work/k").symlink_to(victim)
    else:
        plant(kind, store.root / "work/k", victim)
    mode = victim.stat().st_mode
    with pytest.raises(HostError, match=f"'{store.root / 'work' / 'k'}' cannot be used: it is no folder of its own"):
        store.work("k")
    assert victim.stat().st_mode == mode


def test_the_folder_of_all_work_may_be_on_another_disk(tmp_path):
    store = Store(tmp_path / "root")
    store.root.mkdir()
    (tmp_path / "disk").mkdir()
    (store.root / "work").symlink_to(tmp_path / "disk")
    assert store.work("k").samefile(tmp_path / "disk" / "k")


def test_a_folder_of_work_that_others_can_write_to_is_not_worked_in(tmp_path):
    store = Store(tmp_path / "root")
    (store.root / "work").mkdir(parents=True)
    (store.root / "work").chmod(0o777)
    with pytest.raises(HostError, match="everybody may write to"):
        store.work("k")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_work_folder_of_somebody_else_is_not_worked_in(tmp_path):
    store = Store(tmp_path / "root")
    os.chown(store.work("k"), 65534, 65534)
    with pytest.raises(HostError, match="belongs to the user"):
        store.work("k")
