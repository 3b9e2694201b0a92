"""Failures of the host, for every command there is, run as a user runs it: a sentence and an exit code."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from forks import Forks, shared
from imgpipe.cli import commands
from imgpipe.cli.main import app

pytestmark = pytest.mark.programs

IMGPIPE = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")
SAID = re.compile(r"^error: .+[.?!…]$", re.MULTILINE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def walk(command, words=()):
    """Yield every command of the application: its words, and the options that it has."""
    inner = getattr(command, "commands", None)
    if not inner:
        yield words, {option for parameter in command.params for option in parameter.opts}
        return
    for name, one in sorted(inner.items()):
        yield from walk(one, (*words, name))


commands.add_commands(app, ())
COMMANDS = dict(walk(typer.main.get_command(app)))
NAMES = [" ".join(words) for words in COMMANDS]
WITH_JSON = [" ".join(words) for words, options in COMMANDS.items() if "--json" in options]

LONG = ("1" * 5000, "demo-4c2g" + "9" * 5000 + "g", "a" * 300 + ".toml", "x" * 5000 + "/y")

READING = [
    "images list",
    "images list --json",
    "images verify --all",
    "recipes list",
    "recipes schema",
    "os list",
    "media list",
    "plan rocky9",
    "plan rocky9 --json",
    "plan rocky9 --answer-file",
    "deploy --schema",
    "sysprep --list",
    "sysprep --list --recipe rocky9",
    "images prune --leftovers --dry-run",
    "--connect test:///default machines list",
    "--connect test:///default doctor",
    "--connect test:///default doctor rocky9",
]
"""What only looks, and so works wherever it can look."""

WITHOUT_DATA = {"recipes list", "recipes schema", "os list", "deploy --schema", "sysprep --list"}
"""What looks at nothing of the data root, so that it does not matter whose that is."""

PLANNING = [
    "plan rocky9",
    "plan debian13 --json",
    "plan rocky9 --answer-file",
    "sysprep --list",
    "--connect test:///default deploy rocky9 --name x --plan",
    "--connect test:///default deploy --import {disk} --name x --plan",
    "--connect test:///default deploy {fleet} --plan",
]


def environment(data, more=None):
    return {**os.environ, "IMGPIPE_HOME": str(data), "IMGPIPE_ACCELERATOR": "tcg", **(more or {})}


def split(words):
    return words.split() if isinstance(words, str) else words


def start(words, data, *, shell="", env=None, cwd=None):
    """Start a command line in an interpreter of its own; `shell` is what a shell does with it, such as '>&-'."""
    argv = [*IMGPIPE, *split(words)]
    if shell:
        argv = ["bash", "-c", shell, "bash", *argv]
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "surrogateescape"}
    return subprocess.run(argv, env=environment(data, env), cwd=cwd, check=False, **options)


def runner(forks):
    """Return what runs a command line with `data` as its data root."""

    def run(words, data, *, env=None, cwd=None, gone=False):
        return forks.run(split(words), env=environment(data, env), cwd=cwd, gone=gone)

    return run


@pytest.fixture(scope="module")
def run():
    return runner(shared())


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory, monkeypatch):
    """Keep what other programs left in the host's own folder for scratch files out of sight, and untouched."""
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))


@pytest.mark.parametrize("words", ["os list", "plan rocky9 --json", "plan nope --json", "machines --nope", "images"])
def test_a_fork_says_what_a_fresh_interpreter_says(words, tmp_path, run):
    forked, fresh = run(words, tmp_path), start(words, tmp_path)
    hide = re.compile(r'"time": "[^"]+"')
    assert forked.returncode == fresh.returncode
    assert hide.sub("", forked.stdout) == hide.sub("", fresh.stdout)
    assert forked.stderr == fresh.stderr


def require_a_sentence(done, codes=(2, 3)):
    """Hold what every failure must be."""
    assert done.returncode in codes, (done.returncode, done.stderr)
    assert SAID.search(done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stderr + done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_help_that_cannot_be_printed_is_a_failure_of_the_host(name, tmp_path):
    # One printer serves all: every other command meets the one failure, the rest the other.
    shell = ('"$@" >&-', '"$@" >/dev/full')[NAMES.index(name) % 2]
    require_a_sentence(start(f"{name} --help", tmp_path, shell=shell), codes=(3,))


@pytest.fixture
def gone(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_JSON])
def test_a_current_folder_that_is_gone_is_told(name, tmp_path, gone, run):
    done = run(name, tmp_path, cwd=gone, gone=True)
    require_a_sentence(done, codes=(3,))
    assert "current folder" in done.stderr


@pytest.mark.parametrize("words", ["build", "plan --json"])
def test_an_interpreter_starts_where_the_folder_is_gone(words, tmp_path, gone):
    done = start(words, tmp_path, shell='rmdir "$PWD" && exec "$@"', cwd=gone)
    require_a_sentence(done, codes=(3,))
    assert "current folder" in done.stderr


# ssh hands options that it does not know on.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "machines ssh"])
def test_an_option_that_is_not_there_is_an_error_with_control_characters_left_out(name, tmp_path, run):
    done = run([*name.split(), "--no\x1b[31mpe\x9b1m\u202e"], tmp_path)
    require_a_sentence(done, codes=(2,))
    assert "--help' says what it takes" in done.stderr


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_command_with_json_says_its_error_in_json(name, tmp_path, gone, run):
    done = run([*name.split(), "--json", "--nope"], tmp_path)
    told = json.loads(done.stdout)
    assert (told["event"], told["kind"], told["exit_code"], done.returncode) == ("error", "usage", 2, 2)
    assert "--nope" in told["message"]
    done = run([*name.split(), "--json"], tmp_path, cwd=gone, gone=True)
    told = json.loads(done.stdout)
    assert (told["event"], told["kind"], told["exit_code"]) == ("error", "host", 3)
    assert "current folder" in told["message"]
    require_a_sentence(done, codes=(3,))
    assert set(told) == {"event", "time", "kind", "message", "hint", "details", "exit_code"}


def require_one_object(done, kind, code):
    """Hold what a program reads of a failure: one object, the last line of stdout, and the same for a person."""
    require_a_sentence(done, codes=(code,))
    told = json.loads(done.stdout)
    assert (told["event"], told["kind"], told["exit_code"]) == ("error", kind, code)
    assert set(told) == {"event", "time", "kind", "message", "hint", "details", "exit_code"}
    return told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--json", "no option '--json'"),
        ("nope --json", "There is no command"),
        ("images --json", "no option '--json'"),
        ("images show --json", "Missing argument"),
        ("images rm --json", "Missing argument"),
        ("images list a b --json", "word too many"),
        ("images prune --keep none --json", "--keep"),
        ("images prune --keep 1 --keep 2 --json", "given 2 times"),
        ("machines start --json --parallel", "--parallel"),
        ("--connect --json", "Missing command"),
    ],
)
def test_words_that_are_wrong_are_one_object_of_the_kind_usage(words, told, tmp_path, run):
    assert told in require_one_object(run(words, tmp_path), "usage", 2)["message"]


@pytest.mark.parametrize(
    "words",
    [
        "images list nope",
        "images list nope@20260301.1",
        "images verify nope",
        "images rm nope",
        "images rm nope@20260301.1",
        "machines list --fleet nope",
        "machines list --group nope",
        "machines start nope",
        "machines stop --group nope",
        "machines destroy --fleet nope --yes",
        "machines flatten",
        "clone nope new",
        "plan nope",
        "lint nope.cfg --os rocky9",
    ],
)
def test_a_selection_of_nothing_is_an_error_of_who_wrote_it(words, tmp_path, run):
    require_one_object(run(f"--connect test:///default {words} --json", tmp_path, cwd=tmp_path), "recipe", 2)


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_that_is_stopped_says_so_to_programs_too(number):
    stopped = (
        "import imgpipe.cli.context as c, os, signal, sys\n"
        f"c.recipe_folders = lambda: os.kill(os.getpid(), signal.{number})\n"
        "sys.argv[0] = 'imgpipe'\n"
        "from imgpipe.cli.main import main; main()"
    )
    argv = [sys.executable, "-c", stopped, "plan", "x", "--json"]
    require_one_object(subprocess.run(argv, capture_output=True, text=True, check=False), "stopped", 130)


@pytest.mark.parametrize("name", NAMES)
def test_words_that_are_no_text_are_an_error(name, tmp_path, run):
    done = run([*name.split(), "\udcff"], tmp_path)
    require_a_sentence(done, codes=(2,))
    assert "no text in UTF-8" in done.stderr


# Commands that hand a word on as it is, or start something, are not given words without an end.
@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("host")])
def test_words_that_are_too_long_are_an_error(name, tmp_path, run):
    # Those that read words in ways of their own meet all.
    several = name in ("plan", "deploy", "doctor", "images show", "lint", "media make")
    for word in LONG if several else LONG[NAMES.index(name) % 4 :][:1]:
        require_an_error_for(run, name, word, tmp_path)


def require_an_error_for(run, name, word, tmp_path):
    require_a_sentence(run(["--connect", "test:///default", *name.split(), word], tmp_path))


@pytest.mark.parametrize("words", ["images prune --keep", "images prune --unused", "deploy demo --name x --count"])
def test_numbers_of_5000_digits_are_an_error(words, tmp_path, run):
    require_a_sentence(run(["--connect", "test:///default", *words.split(), "1" * 5000], tmp_path), codes=(2,))


def tree(folder):
    return sorted((str(path), path.lstat().st_mtime_ns) for path in (folder, *folder.rglob("*")))


def samples(folder):
    """Make a disk and a fleet, and return where they are."""
    folder.mkdir()
    disk, fleet = folder / "x.img", folder / "x.toml"
    disk.write_bytes(bytes(2**20))
    fleet.write_text('name = "f"\n[groups.g]\ntemplate = "rocky9"\nnames = ["a"]\n')
    return {"disk": disk, "fleet": fleet}


@pytest.mark.parametrize("exists", [True, False], ids=["empty", "missing"])
@pytest.mark.parametrize("words", PLANNING)
def test_what_only_plans_writes_nothing(words, exists, tmp_path, run):
    words = words.format(**samples(tmp_path / "samples"))
    data, home = tmp_path / "data", tmp_path / "home"
    home.mkdir()
    if exists:
        data.mkdir()
    before = tree(tmp_path)
    env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home), "IMGPIPE_ROOT_PASSWORD": "x"}
    done = run(words, data, env=env, cwd=home)
    assert done.returncode in (0, 2, 3, 4), done.stderr
    assert "Traceback" not in done.stderr
    assert tree(tmp_path) == before


def namespace(script, data):
    """Return the words that run a command where `script` has changed what is mounted."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("namespaces cannot be made here")
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("namespaces cannot be made here")
    data.mkdir()
    return ["unshare", "--mount", "bash", "-ec", f'{script.format(data=data)}; exec "$@"', "bash"]


BAD_ROOTS = {
    "read-only": "mount -t tmpfs -o ro,mode=755 tmpfs {data}",
    "full": "mount -t tmpfs -o size=4k,nr_inodes=2,mode=755 tmpfs {data}; head -c 8k /dev/zero > {data}/filler || :",
}


@pytest.fixture(scope="module", params=BAD_ROOTS)
def run_on_bad_root(request, tmp_path_factory):
    data = tmp_path_factory.mktemp(request.param) / "data"
    forks = Forks(within=namespace(BAD_ROOTS[request.param], data))
    yield lambda words: runner(forks)(words, data)
    forks.end()


@pytest.mark.parametrize("words", READING)
def test_what_only_reads_works_on_a_data_root_that_is_read_only_or_full(words, run_on_bad_root):
    done = run_on_bad_root(words)
    # Doctor says by its exit code what it found.
    assert done.returncode == (3 if "doctor" in words else 0), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("root", BAD_ROOTS)
@pytest.mark.parametrize("words", ["build rocky9", "images prune --leftovers --yes", "media make demo"])
def test_what_writes_says_that_it_cannot(words, root, tmp_path):
    data = tmp_path / "data"
    within = shlex.join(namespace(BAD_ROOTS[root], data))
    done = start(f"--connect test:///default {words}", data, shell=f'{within} "$@"')
    assert "Traceback" not in done.stderr
    if done.returncode:
        require_a_sentence(done)
    else:
        assert "Nothing to remove" in done.stderr


def needs_setpriv():
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("another user cannot be taken here")


@pytest.fixture(scope="module")
def run_as_nobody_known():
    needs_setpriv()
    forks = Forks(within=["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"])

    def run(words):
        unset = ("HOME", "IMGPIPE_HOME", "XDG_CONFIG_HOME")
        env = {name: value for name, value in os.environ.items() if name not in unset}
        return forks.run(words.split(), env={**env, "IMGPIPE_ACCELERATOR": "tcg"}, cwd="/")

    yield run
    forks.end()


@pytest.mark.parametrize("words", [*READING, "build rocky9", "deploy rocky9 --name x"])
def test_a_user_without_an_entry_and_a_home_is_told_what_is_missing(words, run_as_nobody_known):
    done = run_as_nobody_known(words)
    assert "Traceback" not in done.stderr
    if done.returncode and "doctor" not in words:
        require_a_sentence(done)


@pytest.mark.parametrize("words", READING)
def test_a_data_root_of_somebody_else_is_refused(words, tmp_path, run):
    needs_setpriv()
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 12345, 12345)
    done = run(words, data)
    if words in WITHOUT_DATA:
        assert done.returncode == 0, done.stderr
    else:
        require_a_sentence(done, codes=(3,))
        assert "belongs to" in done.stderr


def test_planted_settings_are_not_obeyed_and_make_no_command_unusable(tmp_path, run):
    """What was seen: a program that a URI names ran as root."""
    here = tmp_path / "here"
    here.mkdir()
    program = here / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    (here / "imgpipe.toml").write_text(f'connect = "qemu+ext:///system?command={program}"\n')
    done = run("machines list", tmp_path / "data", cwd=here)
    require_a_sentence(done, codes=(2,))
    here.chmod(0o777)
    done = run("images list", tmp_path / "data", cwd=here)
    assert done.returncode == 0
    assert "is ignored" in done.stderr
    run("--connect test:///default machines list", tmp_path / "data", cwd=here)
    assert not (tmp_path / "ran").exists()


def test_a_program_of_the_current_folder_is_not_the_hosts(tmp_path, run):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("qemu-system-x86_64", "qemu-img", "virsh", "ip", "dpkg-query"):
        (here / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (here / name).chmod(0o755)
    run("--connect test:///default doctor", tmp_path / "data", cwd=here, env={"PATH": f".::{os.environ['PATH']}"})
    assert not (tmp_path / "ran").exists()


def test_names_with_control_characters_are_never_printed_raw(tmp_path, run):
    bad = "evil\x1b]0;x\x07\x9b31m\u202e\nerror: forged"
    here = tmp_path / bad.replace("\n", "")
    here.mkdir()
    (here / "x.toml").write_text("os = [")
    (here / f"{bad}.toml").write_text("os = [")
    (here / f"{bad}.iso").write_bytes(b"no ISO")
    for words in (
        ["plan", "./x.toml"],
        ["plan", f"./{bad}.toml"],
        ["deploy", f"./{bad}.toml", "--plan"],
        ["lint", f"./{bad}.toml", "--os", "rocky9"],
        ["media", "list"],
        ["media", "check", f"./{bad}.iso"],
        ["images", "show", bad],
        ["recipes", "list"],
        ["import", bad, "--disk", f"./{bad}.iso"],
        ["--debug", "plan", f"./{bad}.toml"],
    ):
        done = run(words, tmp_path / "data", cwd=here)
        assert not CONTROL.search(done.stdout + done.stderr), words
        # A traceback has the text of errors as it is, line breaks included.
        assert "--debug" in words or "\nerror: forged" not in done.stderr, words
    done = run("images list --json", here)
    require_a_sentence(done, codes=(3,))


def test_a_bug_says_that_it_is_one_and_shows_where_only_with_debug(tmp_path):
    broken = (
        "import imgpipe.cli.context as c, sys\n"
        "def broken(): raise KeyError('hunter2')\n"
        "c.recipe_folders = broken\n"
        "sys.argv[0] = 'imgpipe'\n"
        "from imgpipe.cli.main import main; main()"
    )
    for words in ([], ["--debug"]):
        argv = [sys.executable, "-c", broken, *words, "plan", "x", "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 70
        assert "This is a bug" in done.stderr
        assert ("Traceback" in done.stderr) == bool(words)
        assert json.loads(done.stdout)["kind"] == "bug"
        assert "hunter2" not in done.stdout
        assert words or "hunter2" not in done.stderr


def test_debug_keeps_the_exit_code_of_an_expected_error(tmp_path, run):
    done = run("--debug plan nope", tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_a_reader_that_went_away_is_no_error(tmp_path):
    done = start("recipes schema", tmp_path, shell='"$@" | true; exit ${PIPESTATUS[0]}')
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("shell", ['"$@" 2>&-', '"$@" 2>/dev/full', '"$@" <&-', '"$@" <&- 2>&-'])
def test_streams_that_are_not_needed_are_not_missed(shell, tmp_path):
    done = start("os list", tmp_path, shell=shell)
    assert done.returncode == 0
    assert "rocky9" in done.stdout


@pytest.mark.parametrize(
    "env", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "none"}]
)
def test_any_locale_will_do(env, tmp_path):
    require_a_sentence(start(["plan", "ünknown"], tmp_path, env=env), codes=(2,))


def test_everything_that_the_manual_says_of_exit_codes_is_so():
    from imgpipe.cli import ending
    from imgpipe.errors import GuestError, HostError, PluginError, RecipeError
    from imgpipe.settings import checkout

    manual = (checkout() / "README.md").read_text(encoding="utf-8").partition("Exit codes:")[2].partition("\n\n")[0]
    codes = {RecipeError.exit_code, HostError.exit_code, GuestError.exit_code, PluginError.exit_code}
    codes |= {0, ending.BUG, ending.STOPPED, ending.READER_LEFT}
    assert {int(number) for number in re.findall(r"\b\d+\b", manual)} == codes
    assert Path(checkout(), "README.md").is_file()
