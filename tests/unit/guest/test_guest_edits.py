"""The worker's steps, on a folder instead of an appliance."""

import dataclasses

import pytest
from fake_libguestfs import FakeGuestFS

from imgpipe.guest_worker import files
from imgpipe.guest_worker.edits import STEPS, Edits
from imgpipe.guest_worker.text import WorkerError
from imgpipe.offline_edits import CopyFile, DropLines, Remove, Step, Symlink, Truncate, WriteFile


@pytest.fixture
def edits(tmp_path):
    return Edits(FakeGuestFS(tmp_path))


def apply(edits, *steps):
    return edits.apply([{"kind": type(step).__name__, **dataclasses.asdict(step)} for step in steps])


def put(root, path, content="x"):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    return target


def test_the_worker_knows_every_step():
    assert set(STEPS) == {step.__name__ for step in Step.__args__}


def test_a_written_file_gets_its_parents_and_mode(edits, tmp_path):
    apply(edits, WriteFile(path="/etc/a/b.conf", content="é\n", mode=0o600))
    written = tmp_path / "etc/a/b.conf"
    assert written.read_text() == "é\n"
    assert written.stat().st_mode & 0o777 == 0o600
    assert edits.new == ["/etc/a", "/etc", "/etc/a/b.conf"]


def test_a_link_is_replaced_by_the_written_file_and_its_target_is_left_alone(edits, tmp_path):
    target = put(tmp_path, "/etc/shadow", "secret")
    (tmp_path / "etc/hostname").symlink_to("shadow")
    apply(edits, WriteFile(path="/etc/hostname", content="h"))
    assert target.read_text() == "secret"
    assert (tmp_path / "etc/hostname").read_text() == "h"


def test_a_folder_is_not_overwritten(edits, tmp_path):
    (tmp_path / "etc/hostname").mkdir(parents=True)
    with pytest.raises(WorkerError, match="'/etc/hostname' is not a file"):
        apply(edits, WriteFile(path="/etc/hostname", content="h"))


def test_removing_takes_folders_whole_but_keeps_what_is_kept_and_its_folders(edits, tmp_path):
    for path in ("/var/x/a/1", "/var/x/b/2", "/var/x/c", "/var/x/d"):
        put(tmp_path, path)
    assert apply(edits, Remove(patterns=("/var/x/*",), keep=("/var/x/b/2", "/var/x/d"))) == 2
    assert sorted(p.name for p in (tmp_path / "var/x").iterdir()) == ["b", "d"]


def test_removing_files_only_leaves_folders(edits, tmp_path):
    put(tmp_path, "/var/log/chrony/x.log")
    put(tmp_path, "/var/log/syslog")
    apply(edits, Remove(patterns=("/var/log/*", "/var/log/*/*"), files_only=True))
    assert [p.name for p in (tmp_path / "var/log").rglob("*")] == ["chrony"]


def test_removing_a_link_to_a_folder_leaves_the_folder(edits, tmp_path):
    put(tmp_path, "/opt/precious/file")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/link").symlink_to("../opt/precious")
    apply(edits, Remove(patterns=("/tmp/*",)))
    assert (tmp_path / "opt/precious/file").exists()
    assert not (tmp_path / "tmp/link").is_symlink()


def test_truncating_follows_no_link(edits, tmp_path):
    passwd = put(tmp_path, "/etc/passwd", "root")
    log = put(tmp_path, "/var/log/wtmp", "login")
    (tmp_path / "var/log/btmp").symlink_to("../../etc/passwd")
    assert apply(edits, Truncate(patterns=("/var/log/?tmp",))) == 1
    assert (passwd.read_text(), log.read_text()) == ("root", "")


def test_a_symlink_replaces_a_file_and_is_left_alone_where_it_is_right(edits, tmp_path):
    put(tmp_path, "/var/lib/dbus/machine-id", "old")
    step = Symlink(path="/var/lib/dbus/machine-id", target="/etc/machine-id")
    assert [apply(edits, step), apply(edits, step)] == [1, 0]
    assert (tmp_path / "var/lib/dbus/machine-id").readlink().as_posix() == "/etc/machine-id"


def test_lines_are_dropped_from_every_match_and_other_bytes_stay(edits, tmp_path):
    one = put(tmp_path, "/net/a.nmconnection", "id=a\n mac-address = 52:54\n")
    other = put(tmp_path, "/net/b.nmconnection")
    other.write_bytes(b"id=\xff\nmac-address=1")
    assert apply(edits, DropLines(path="/net/*.nmconnection", pattern=r"^\s*mac-address\s*=")) == 2
    assert (one.read_text(), other.read_bytes()) == ("id=a\n", b"id=\xff\n")


def test_a_file_is_copied_only_if_it_has_content_its_place_is_free_and_the_condition_holds(edits, tmp_path):
    step = CopyFile(source="/etc/machine-id", path="/etc/kernel/entry-token", where="/boot/loader/entries/*")
    put(tmp_path, "/etc/machine-id", "")
    put(tmp_path, "/boot/loader/entries/x.conf")
    assert apply(edits, step) == 0
    put(tmp_path, "/etc/machine-id", "id1\n")
    assert apply(edits, dataclasses.replace(step, where="/nothing/*"), step) == 1
    put(tmp_path, "/etc/machine-id", "id2\n")
    assert apply(edits, step) == 0
    assert (tmp_path / "etc/kernel/entry-token").read_text() == "id1\n"


def test_a_glob_that_matches_too_much_is_refused(edits, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_MATCHES", 2)
    for name in "abc":
        put(tmp_path, f"/tmp/{name}")
    with pytest.raises(WorkerError, match="More than 2 paths"):
        apply(edits, Remove(patterns=("/tmp/*",)))
    assert len(list((tmp_path / "tmp").iterdir())) == 3


def test_new_files_get_their_folders_label_in_a_labelled_image(edits, tmp_path):
    (tmp_path / "etc").mkdir()
    edits.g.labels["/etc"] = "system_u:object_r:etc_t:s0"
    apply(edits, WriteFile(path="/etc/systemd/system/x.service", content="x"))
    assert edits.relabel() == 3
    assert edits.g.labels["/etc/systemd/system/x.service"] == "system_u:object_r:etc_t:s0"


def test_an_image_without_labels_gets_none(edits):
    apply(edits, WriteFile(path="/etc/x", content="x"))
    assert edits.relabel() == 0
    assert edits.g.labels == {}


def test_search_finds_files_that_hold_a_text_and_reads_no_link(edits, tmp_path):
    put(tmp_path, "/root/a.cfg", "rootpw $6$salt$hash")
    put(tmp_path, "/root/b.cfg", "innocent")
    (tmp_path / "root/c.cfg").symlink_to("a.cfg")
    assert edits.files.search(["/root/*.cfg"], ["$6$salt$hash"]) == ["/root/a.cfg"]
