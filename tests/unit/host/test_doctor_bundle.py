"""The bundle: bounded, without secrets, whole or not there; and what could not be collected is said in it."""

import json
import tarfile
import threading
import time

import pytest
import typer

from imgpipe.cli import doctor_bundle
from imgpipe.cli.commands import add_commands
from imgpipe.cli.doctor import DoctorOptions, Words
from imgpipe.disclosure import for_strangers
from imgpipe.errors import HostError, RecipeError
from imgpipe.host.bundle import archive, contents
from imgpipe.host.bundle.collecting import LARGEST, Collected, Item, collect, manifest
from imgpipe.host.doctor import denials

USERS = ("alice",)


def one(value, **more):
    (found,) = collect([Item("a.json", "a thing", lambda: value, **more)], USERS)
    return found


def failing(error):
    def fail():
        raise error

    (found,) = collect([Item("a.json", "a thing", fail)], USERS)
    return found.missing


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("answers at 'qemu+ssh://alice@kvm/system'.", "answers at 'qemu+ssh://(secret)@kvm/system'."),
        ("qemu+libssh2://bob:pa ss@kvm/system", "qemu+libssh2://(secret)@kvm/system"),
        ("https://mirror/x.iso?token=abc", "https://mirror/x.iso?(secret)"),
        ("proxy bob:hunter2@proxy:3128", "proxy (secret)@proxy:3128"),
        ("user=bob password=a b c", "user=bob password=(secret)"),
        ("DB_PASSWORD: hunter2", "DB_PASSWORD:(secret)"),
        ("root has $6$abcdefgh$" + "x" * 86 + " so", "root has (secret) so"),
        ("52:54:00:12:34:56 at 10.1.2.3, fe80::1.", "(MAC) at (address), (address)."),
        ("The libvirt daemon refuses 'alice'; malice stays.", "The libvirt daemon refuses '(user)'; malice stays."),
        ("/home/bob/vm and /srv/home/x", "/home/(user)/vm and /srv/home/x"),
        ("QEMU 10.0.2 of system_u:object_r:var_lib_t:s0 at 127.0.0.1", None),
        ("Passwords are hashed at 12:30:45.", None),
    ],
)
def test_what_is_sent_to_strangers_names_no_secret_no_address_and_no_user(text, sent):
    assert for_strangers(text, USERS) == (text if sent is None else sent)


def test_values_stay_json_with_their_texts_made_harmless():
    found = one({"alice": ['say "password=x" alice\x1b[31m\u202e', 3, None, True]})
    assert json.loads(found.text) == {"(user)": ['say "password=(secret)', 3, None, True]}


def test_what_is_long_is_cut_and_that_is_said():
    found = one("x" * 100 + "\n" + "y\n" * LARGEST)
    assert (len(found.text), found.cut) == (LARGEST, True)
    assert "SHORTENED to its first 512 KiB" in manifest([found], "now")
    assert len(one("x" * 10**7).text) < 5000


def test_what_hangs_or_breaks_costs_nothing_else_and_is_said():
    released = threading.Event()
    items = [
        Item("a", "hangs", lambda: released.wait(60), 0.2),
        Item("b", "breaks", lambda: {}["secret-key"]),
        Item("c", "works", lambda: "fine"),
    ]
    start = time.monotonic()
    hung, broken, works = collect(items, ())
    released.set()
    assert time.monotonic() - start < 10
    assert hung.missing == "It did not end within 0 seconds."
    assert broken.missing.startswith("A bug: KeyError in test_doctor_bundle.py")
    assert "secret" not in broken.missing
    assert works.text == "fine"
    text = manifest((hung, broken, works), "now")
    assert text.count("NOT COLLECTED") == 2


def test_why_something_is_missing_has_no_secret_and_does_not_quote_a_file():
    assert failing(HostError("No answer.", details=("a", "qemu+tcp://bob:x@h/ failed"))).endswith("(secret)@h/ failed")
    assert failing(RecipeError("It is wrong.", details=("root_password = 'hunter2'",))) == "It is wrong."
    assert failing(FileNotFoundError(2, "No such file", "/home/bob/x")) == "No such file (/home/(user)/x)."


def test_an_archive_is_the_owners_alone_and_names_no_user(tmp_path):
    path = tmp_path / "report.tar.gz"
    archive.write(path, {"MANIFEST.txt": "a\n", "b.json": "{}\n"}, 1_700_000_000)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.tar.gz"]
    with tarfile.open(path) as opened:
        entries = opened.getmembers()
        assert [entry.name for entry in entries] == ["report/MANIFEST.txt", "report/b.json"]
        assert {(entry.mode, entry.uid, entry.uname) for entry in entries} == {(0o600, 0, "")}
        assert opened.extractfile(entries[1]).read() == b"{}\n"


@pytest.mark.parametrize("kind", ["file", "link that leads nowhere"])
def test_no_file_is_written_over_and_no_link_is_followed(tmp_path, kind):
    path, elsewhere = tmp_path / "report.tar.gz", tmp_path / "elsewhere"
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(elsewhere)
    with pytest.raises(RecipeError, match="never written over"):
        archive.require_free(path)
    with pytest.raises(RecipeError, match="never written over"):
        archive.write(path, {"a": "b"}, 0)
    assert not elsewhere.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.tar.gz"]
    assert kind != "file" or path.read_text() == "mine"


def test_a_disk_that_is_full_leaves_nothing(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.os, "fsync", fail)
    with pytest.raises(HostError, match="No space left"):
        archive.write(tmp_path / "report.tar.gz", {"a": "b"}, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"), [("report.zip", "no name"), (".tar.gz", "no name"), ("none/report.tar.gz", "no folder")]
)
def test_a_bundle_that_cannot_be_made_is_refused_before_anything_is_asked(tmp_path, name, said):
    with pytest.raises(RecipeError, match=said):
        doctor_bundle.write_bundle(str(tmp_path / name), lambda: pytest.fail("asked"), DoctorOptions())


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ([], []),
        (["--bundle"], ["--bundle="]),
        (["--bundle", "x.tar.gz"], ["--bundle", "x.tar.gz"]),
        (["--bundle", "rocky9", "--deep"], ["--bundle=", "rocky9", "--deep"]),
        (["--bundle", "/tmp/x"], ["--bundle", "/tmp/x"]),
        (["--bundle", "recipes/demo.toml"], ["--bundle=", "recipes/demo.toml"]),
        (["rocky9", "--bundle=x.tar.gz"], ["rocky9", "--bundle=x.tar.gz"]),
    ],
)
def test_the_name_of_a_bundle_may_be_left_out(monkeypatch, words, read):
    monkeypatch.setattr(Words.__mro__[1], "parse_args", lambda self, _context, args: args)
    assert Words(name="doctor").parse_args(None, words) == read


def test_refusals_are_told_with_what_was_only_noted_and_no_name_that_speaks_of_a_secret(monkeypatch):
    plain = denials.Denial(
        source="svirt_t", what="open", kind="file", name="/srv/a.qcow2", target="default_t", permissive=True
    )
    named = denials.Denial(
        source="svirt_t",
        what="open",
        kind="file",
        name="/srv/my password hunter2",
        target="default_t",
        permissive=False,
    )
    monkeypatch.setattr(denials, "recorded", lambda: iter((plain, named, plain)))
    told = contents._denials()
    assert [(each["name"], each["permissive"]) for each in told] == [("/srv/a.qcow2", True), ("(secret)", False)]


def test_a_word_behind_bundle_that_is_no_recipe_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path / "data"))
    app = typer.Typer()
    add_commands(app, ("doctor",))
    with pytest.raises(RecipeError, match="There is no recipe 'x'") as caught:
        app(["--bundle", "x"], standalone_mode=False)
    assert "'--bundle x.tar.gz'" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_what_is_shown_of_a_bundle_is_how_to_look_at_it(tmp_path, capsys):
    found = (Collected(name="a.json", about="a thing"), Collected(name="b.json", about="b", missing="No such file."))
    doctor_bundle._show(tmp_path / "a b.tar.gz", found, 2048, as_json=False)
    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/a b.tar.gz\n"
    assert "b.json: NOT COLLECTED: No such file." in said.err
    assert f"tar -xzOf '{tmp_path}/a b.tar.gz' | less" in said.err
