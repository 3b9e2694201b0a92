import json
import os
import time
from itertools import chain, repeat

import pytest
from typer.testing import CliRunner

from imgpipe.adapters import qemu_img
from imgpipe.adapters.qemu_img import ImageInfo
from imgpipe.cli import context, images
from imgpipe.errors import HostError, RecipeError
from imgpipe.images import catalog
from imgpipe.store import Store


@pytest.fixture(autouse=True)
def _no_machines(monkeypatch):
    """Look at no disk of the host."""
    monkeypatch.setattr(context, "in_use_by", lambda _, **_options: lambda _: ())
    monkeypatch.setattr(qemu_img, "check", lambda _: None)
    monkeypatch.setattr(
        qemu_img, "info", lambda _: ImageInfo(format="qcow2", virtual_size=2**30, disk_size=1, backing=None)
    )


@pytest.fixture
def run(store, monkeypatch):
    monkeypatch.setenv("IMGPIPE_HOME", str(store.root))

    def invoke(*words):
        # An expected error goes through to main(), which shows it: so here it is raised.
        return CliRunner().invoke(images.app, list(words), catch_exceptions=False)

    return invoke


@pytest.fixture
def two(add_image):
    return add_image("rocky9", "20260228.1"), add_image("rocky9", "20260301.1")


def test_the_list_is_a_table_that_can_be_searched_line_by_line(run, two):
    lines = run("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "SYSTEM", "DISK", "FILE", "CREATED", "SHA256"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["rocky9", "20260301.1", "rocky9"],
        ["rocky9", "20260228.1", "rocky9"],
    ]


def test_the_list_as_json_has_sizes_in_bytes_and_the_path(run, two):
    told = json.loads(run("list", "rocky9", "--json").stdout)
    assert [image["reference"] for image in told] == ["rocky9@20260301.1", "rocky9@20260228.1"]
    assert (told[0]["virtual_size"], told[0]["path"]) == (2**30, str(two[1].disk))


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_list_of_a_name_that_no_image_has_is_an_error_with_the_nearest(run, two, more):
    with pytest.raises(RecipeError, match="There is no image 'roky9'") as caught:
        run("list", "roky9", *more)
    assert caught.value.hint == "Did you mean 'rocky9'?"


def test_an_empty_list_is_said_on_stderr_and_is_an_empty_list_in_json(run):
    assert run("list").stdout == ""
    assert "No image was published yet." in run("list").stderr
    assert json.loads(run("list", "--json").stdout) == []


def test_a_damaged_folder_is_a_warning_on_stderr_only(run, two):
    (two[0].folder / "manifest.json").write_text("{}")
    done = run("list", "--json")
    assert len(json.loads(done.stdout)) == 1
    assert "warning:" in done.stderr


def test_showing_tells_where_the_image_came_from(run, two):
    text = run("show", "rocky9").stdout
    for part in ("rocky9@20260301.1", "Rocky Linux 9.7 (rocky.iso)", "b" * 64, "1 of 1 checks passed: boots", "tcg"):
        assert part in text
    assert json.loads(run("show", "rocky9", "--json").stdout)["path"] == str(two[1].disk)


def test_verifying_says_sound_or_fails_with_every_fault(run, two):
    assert run("verify", "--all").stdout.splitlines() == ["rocky9@20260301.1: sound", "rocky9@20260228.1: sound"]
    two[0].disk.chmod(0o644)
    with pytest.raises(HostError) as caught:
        run("verify", "--all")
    assert [fault[:26] for fault in caught.value.details] == ["rocky9@20260228.1: 'golden"]


@pytest.mark.parametrize("words", [("verify",), ("verify", "rocky9", "--all")])
def test_verify_takes_either_an_image_or_all(run, two, words):
    with pytest.raises(RecipeError, match="takes an image or '--all'"):
        run(*words)


def test_exporting_prints_the_path_and_nothing_else(run, two, tmp_path):
    assert run("export", "rocky9", "--to", str(tmp_path)).stdout == f"{tmp_path}/rocky9-20260301.1.qcow2\n"


def test_an_unknown_format_is_refused_by_its_name(run, two, tmp_path):
    done = run("export", "rocky9", "--to", str(tmp_path), "--format", "iso")
    assert done.exit_code == 2
    assert "vmdk" in done.stderr


def test_pruning_asks_and_where_nobody_can_answer_does_nothing(run, two, store):
    with pytest.raises(RecipeError, match="Nobody can be asked") as caught:
        run("prune", "--keep", "1")
    assert "rocky9@20260228.1" in caught.value.details[0]
    assert run("prune", "--keep", "1", "--dry-run").stdout == "rocky9@20260228.1\n"
    assert len(catalog.versions(store, "rocky9")) == 2
    told = json.loads(run("prune", "--keep", "1", "--yes", "--json").stdout)
    assert told["removed"] == ["rocky9@20260228.1"]
    assert catalog.versions(store, "rocky9") == ("20260301.1",)


def test_removing_wants_an_exact_version(run, two, store):
    with pytest.raises(RecipeError, match="does not say which version") as caught:
        run("rm", "rocky9", "--yes")
    assert caught.value.details == ("rocky9@20260301.1", "rocky9@20260228.1")
    assert caught.value.hint.startswith("Name it, such as 'imgpipe images rm ")
    assert "removed: rocky9@20260228.1" in run("rm", "rocky9@20260228.1", "--yes").stderr
    assert catalog.versions(store, "rocky9") == ("20260301.1",)


def needed_from_the_second_look_on(monkeypatch):
    answers = chain([()], repeat(("db",)))

    def looked(_store, **_options):
        told = next(answers)
        return lambda _disk: told

    monkeypatch.setattr(context, "in_use_by", looked)


def test_an_image_that_came_into_use_after_the_question_is_not_pruned(run, two, store, monkeypatch):
    needed_from_the_second_look_on(monkeypatch)
    assert "kept: rocky9@20260228.1 is in use" in run("prune", "--keep", "1", "--yes").stderr
    assert len(catalog.versions(store, "rocky9")) == 2


def test_each_image_is_looked_at_anew_when_it_is_removed(run, two, store, monkeypatch):
    needed_from_the_second_look_on(monkeypatch)
    with pytest.raises(RecipeError, match=r"'rocky9@20260301\.1' is needed") as caught:
        run("rm", "rocky9@20260228.1", "rocky9@20260301.1", "--yes")
    assert caught.value.details == ("db",)
    assert catalog.versions(store, "rocky9") == ("20260301.1",)


def test_a_misspelt_image_removes_none_of_those_named_with_it(run, two, store):
    with pytest.raises(RecipeError):
        run("rm", "rocky9@20260228.1", "rocky8@20260228.1", "--yes")
    assert len(catalog.versions(store, "rocky9")) == 2


def test_names_are_completed_and_after_an_at_sign_versions(run, two):
    assert images.complete_image("ro") == ["rocky9"]
    assert images.complete_image("rocky9@202603") == ["rocky9@20260301.1"]
    assert images.complete_image("x") == []


def test_no_command_is_without_an_example():
    commands = images.app.registered_commands
    assert len(commands) == 6
    assert all(command.epilog and command.epilog.startswith("Example: imgpipe images ") for command in commands)


@pytest.mark.parametrize(("root", "expected"), [(True, "/var/lib/imgpipe"), (False, "home/.local/share/imgpipe")])
def test_outside_a_checkout_the_data_root_is_the_hosts_or_the_users(monkeypatch, tmp_path, root, expected):
    monkeypatch.delenv("IMGPIPE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)
    monkeypatch.setattr("imgpipe.__file__", str(tmp_path / "lib" / "python" / "imgpipe" / "__init__.py"))
    assert context.store() == Store(tmp_path / expected)


def test_in_a_checkout_the_data_root_is_its_output_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("IMGPIPE_HOME", raising=False)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "imgpipe"\n')
    monkeypatch.setattr("imgpipe.__file__", str(tmp_path / "pipeline" / "imgpipe" / "__init__.py"))
    assert context.store() == Store(tmp_path / "output")


def test_imgpipe_home_wins(monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_HOME", str(tmp_path / "x"))
    assert context.store() == Store(tmp_path / "x")


def test_removing_asks_first(run, two, store):
    with pytest.raises(RecipeError, match="Nobody can be asked") as caught:
        run("rm", "rocky9@20260228.1")
    assert "rocky9@20260228.1" in caught.value.details[0]
    assert len(catalog.versions(store, "rocky9")) == 2


def test_leftovers_are_only_shown_or_asked_about_before_they_go(run, store):
    left = store.images / "rocky9" / ".partial-x"
    left.mkdir(parents=True)
    assert run("prune", "--leftovers", "--dry-run").stdout == "images/rocky9/.partial-x\n"
    with pytest.raises(RecipeError, match="Nobody can be asked"):
        run("prune", "--leftovers")
    assert left.is_dir()
    told = json.loads(run("prune", "--leftovers", "--yes", "--json").stdout)
    assert told["removed"] == told["found"] == ["images/rocky9/.partial-x"]
    assert not left.exists()


def test_unused_work_is_counted_in_days(run, store):
    folder = store.work("0123456789abcdef")
    os.utime(folder, (time.time() - 3600,) * 2)
    assert run("prune", "--unused", "1", "--dry-run").stdout == ""
    os.utime(folder, (time.time() - 25 * 3600,) * 2)
    assert run("prune", "--unused", "1", "--dry-run").stdout == "work/0123456789abcdef\n"


@pytest.mark.parametrize(
    "words",
    [
        ("rm", "rocky9@20260228.1", "--yes"),
        ("prune", "--keep", "1", "--yes"),
        ("prune", "--keep", "1", "--dry-run"),
        ("prune", "--leftovers", "--yes"),
    ],
)
def test_without_an_answer_from_libvirt_nothing_is_removed(run, two, store, monkeypatch, words):
    partial = store.work("0123456789abcdef") / "installed.qcow2.partial"
    partial.touch()

    def no_libvirt(_notify):
        raise HostError("The libvirt daemon at 'qemu:///system' does not answer.", hint="Start it.")

    monkeypatch.undo()
    monkeypatch.setenv("IMGPIPE_HOME", str(store.root))
    monkeypatch.setattr(context, "hypervisor", no_libvirt)
    monkeypatch.setattr(context, "_LIBVIRT_IMAGES", store.root / "none")
    with pytest.raises(HostError, match="cannot be asked which machines need which disk") as caught:
        run(*words)
    assert caught.value.exit_code == 3
    assert "--without-libvirt" in caught.value.hint
    assert len(catalog.versions(store, "rocky9")) == 2
    assert partial.exists()
    assert run(*words, "--without-libvirt").exit_code == 0
    assert partial.exists() == ("--leftovers" not in words)
    assert (len(catalog.versions(store, "rocky9")) == 2) == ("--yes" not in words or "--leftovers" in words)


class _Daemon:
    """A libvirt connection at the adapters' seam."""

    def __init__(self, uri):
        self.uri = uri

    def close(self):
        pass


@pytest.mark.parametrize("there", [True, False])
def test_the_hosts_other_daemon_is_asked_too_or_it_is_said_that_it_was_not(run, two, store, monkeypatch, capsys, there):
    from imgpipe.adapters import hypervisor, machines
    from imgpipe.images.disk_uses import DiskUse, DiskUses

    class Known:
        def __init__(self, daemon):
            self.uri = daemon.uri

        def list(self, *, sizes):
            return ()

        def disk_uses(self):
            use = DiskUse(owner="theirs", chain=(str(two[0].disk),), ended=True)
            return DiskUses(uri=self.uri, local=True, uses=(use,) if self.uri == "qemu:///session" else ())

    monkeypatch.undo()
    monkeypatch.setenv("IMGPIPE_HOME", str(store.root))
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "qemu:///system")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(context, "hypervisor", lambda _: _Daemon("qemu:///system"))

    def connect(uri, _notify):
        if not there:
            raise HostError("no session here")
        return _Daemon(uri)

    monkeypatch.setattr(hypervisor, "connect", connect)
    monkeypatch.setattr(machines, "Machines", Known)
    context._say.cache_clear()
    assert context.in_use_by(store)(two[0].disk) == (("theirs",) if there else ())
    assert ("only 'qemu:///system' was asked" in capsys.readouterr().err) != there
