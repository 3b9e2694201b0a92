"""Which files of others are believed: none that somebody else can change."""

import os
from pathlib import Path

import pytest

from imgpipe.connection_uri import fault_in_file
from imgpipe.deploy.fleet_files import read_fleet
from imgpipe.errors import HostError, RecipeError
from imgpipe.recipe_files import read_recipe
from imgpipe.settings import Settings, find_store, read_settings, recipe_folders
from imgpipe.toml_file import read_toml
from imgpipe.trust import changed_by_others

STRANGER = 12345
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def give(path):
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "imgpipe.toml").write_text('pool = "planted"\n')
    return folder


def told(files):
    warnings = []
    return read_settings(files, warnings.append), warnings


def test_a_file_of_ones_own_is_believed(here):
    assert told([Path("imgpipe.toml")]) == (Settings(pool="planted"), [])


# On a file the sticky bit keeps nobody away.
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o1666])
def test_a_file_that_others_can_write_is_passed_over_with_a_word(here, mode):
    Path("imgpipe.toml").chmod(mode)
    found, warnings = told([Path("imgpipe.toml")])
    assert found == Settings()
    assert len(warnings) == 1
    assert "is ignored" in warnings[0]
    assert "may write to" in warnings[0]


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_folder_that_others_can_write_is_passed_over(here, mode):
    here.chmod(mode)
    found, warnings = told([Path("imgpipe.toml")])
    assert (found, len(warnings)) == (Settings(), 1)


def test_a_folder_further_up_counts_as_well(here):
    here.parent.chmod(0o777)
    assert told([Path("imgpipe.toml")])[0] == Settings()
    here.parent.chmod(0o1777)
    assert told([Path("imgpipe.toml")])[0] == Settings(pool="planted")


@needs_root
@pytest.mark.parametrize("whose", ["file", "folder", "parent"])
def test_what_belongs_to_somebody_else_is_passed_over(here, whose):
    give({"file": here / "imgpipe.toml", "folder": here, "parent": here.parent}[whose])
    found, warnings = told([Path("imgpipe.toml")])
    assert found == Settings()
    assert f"belongs to the user {STRANGER}" in warnings[0]


@needs_root
def test_the_file_of_a_stranger_in_a_sticky_folder_is_passed_over(here):
    here.chmod(0o1777)
    assert told([Path("imgpipe.toml")])[0] == Settings(pool="planted")
    give(here / "imgpipe.toml")
    assert told([Path("imgpipe.toml")])[0] == Settings()


@needs_root
def test_both_sides_of_a_symbolic_link_are_looked_at(here, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.toml").write_text('pool = "x"\n')
    Path("imgpipe.toml").unlink()
    Path("imgpipe.toml").symlink_to("../elsewhere/x.toml")
    assert told([Path("imgpipe.toml")])[0] == Settings(pool="x")
    give(here / "imgpipe.toml")
    assert told([Path("imgpipe.toml")])[0] == Settings()
    os.chown(here / "imgpipe.toml", 0, 0, follow_symlinks=False)
    give(elsewhere)
    assert told([Path("imgpipe.toml")])[0] == Settings()


def test_links_in_a_circle_are_not_believed(here):
    Path("a").symlink_to("b")
    Path("b").symlink_to("a")
    assert "too many symbolic links" in changed_by_others(Path("a"))


def test_what_is_passed_over_leaves_the_next_file_its_say(here, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('pool = "own"\n')
    Path("imgpipe.toml").chmod(0o666)
    assert told([Path("imgpipe.toml"), own])[0] == Settings(pool="own")


@pytest.mark.parametrize("kind", ["fifo", "folder", "nonsense"])
def test_something_else_in_a_folder_of_strangers_stops_nothing(here, kind):
    planted = here / "imgpipe.toml"
    planted.unlink()
    if kind == "fifo":
        os.mkfifo(planted)
    elif kind == "folder":
        planted.mkdir()
    else:
        planted.write_bytes(b"\xff\x00")
    here.chmod(0o777)
    assert told([Path("imgpipe.toml")])[0] == Settings()


def test_settings_of_the_user_or_the_system_are_refused_until_they_are_mended(tmp_path):
    own = tmp_path / "imgpipe.toml"
    own.write_text('data = "/srv"\n')
    own.chmod(0o666)
    with pytest.raises(HostError, match="are not believed: everybody may write to") as caught:
        read_settings([own])
    assert "chmod go-w" in caught.value.hint


REFUSED = [
    "qemu+ext:///system?command=/tmp/x",
    "qemu+EXT:///system",
    "qemu+ext:///system",
    "qemu+ssh://host/system?command=/tmp/x",
    "qemu+ssh://host/system?COMMAND=/tmp/x",
    "qemu+ssh://host/system?mode=auto&c%6fmmand=/tmp/x",
    "qemu+ssh://host/system?mode=auto;command=/tmp/x",
    "qemu+ssh://host/system?netcat=/tmp/x",
    "qemu+unix:///system?socket=/tmp/x",
    "qemu+ssh://host/system?keyfile=/tmp/x",
    "qemu+tls://host/system?pkipath=/tmp/x",
    "qemu+tls://host/system?no_verify=1",
    "qemu+ssh://host/system?known_hosts=/tmp/x",
    "qemu+ssh://host/system?proxy=native",
    "qemu+ssh://-oProxyCommand=x/system",
    "qemu+ssh://u@-oProxyCommand=x/system",
    "qemu+ssh://%2doProxyCommand=x/system",
    "not an alias",
]


@pytest.mark.parametrize("uri", REFUSED)
def test_a_file_may_not_state_what_starts_programs_or_reads_files(uri, tmp_path):
    assert fault_in_file(uri)
    own = tmp_path / "imgpipe.toml"
    own.write_text(f'connect = "{uri}"\n')
    with pytest.raises(RecipeError) as caught:
        read_settings([own])
    assert caught.value.details[0].startswith("connect: ")
    assert "--connect" in caught.value.details[0]


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "test:///default",
        "kvmhost",
        "qemu+ssh://root@host.example/system",
        "qemu+ssh://host:2222/system?no_tty=1&mode=direct",
        "qemu+tls://host/system",
        "qemu+libssh2://host/system?sshauth=agent",
        "qemu+SSH://host/system?M%4fDE=direct",
    ],
)
def test_a_file_may_state_where_libvirt_is(uri):
    assert fault_in_file(uri) == ""


@needs_root
def test_a_data_root_of_somebody_else_is_refused(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    assert find_store(Settings(), {"IMGPIPE_HOME": str(root)}).root == root
    give(root)
    with pytest.raises(HostError, match=f"belongs to the user {STRANGER}"):
        find_store(Settings(), {"IMGPIPE_HOME": str(root)})
    with pytest.raises(HostError, match="belongs to"):
        find_store(Settings(), {"IMGPIPE_HOME": str(root / "new")})


def test_a_data_root_that_everybody_can_write_is_refused(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(HostError, match="everybody may write"):
        find_store(Settings(), {"IMGPIPE_HOME": str(root)})
    root.chmod(0o2775)
    assert find_store(Settings(), {"IMGPIPE_HOME": str(root)}).root == root


@needs_root
def test_a_sticky_data_root_is_refused_once_somebody_else_put_something_into_it(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    root.chmod(0o1777)
    assert find_store(Settings(), {"IMGPIPE_HOME": str(root)}).root == root
    give(root / "images")
    with pytest.raises(HostError, match="belongs to"):
        find_store(Settings(), {"IMGPIPE_HOME": str(root)})


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\udcffb"])
def test_a_data_root_with_characters_that_are_no_text_is_refused(tmp_path, name):
    with pytest.raises(HostError, match="no text"):
        find_store(Settings(), {"IMGPIPE_HOME": str(tmp_path / name)})


def test_a_data_root_that_is_a_file_or_a_circle_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "circle").symlink_to("circle")
    for name in ("file", "circle"):
        with pytest.raises(HostError, match="cannot be used"):
            find_store(Settings(), {"IMGPIPE_HOME": str(tmp_path / name)})


def test_a_folder_of_recipes_that_others_can_fill_is_passed_over(tmp_path):
    folder, warnings = tmp_path / "recipes", []
    folder.mkdir()
    (folder / "mine.toml").write_text('os = "rocky9"\n')
    assert "mine" in recipe_folders(Settings(recipes=(str(folder),))).files()
    folder.chmod(0o1777)
    assert "mine" not in recipe_folders(Settings(recipes=(str(folder),)), warnings.append).files()
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "key",
    [
        '[guest.root]\npassword = {file = "/etc/shadow"}',
        '[guest.root]\npassword = {env = "TOKEN"}',
        '[[guest.users]]\nname = "u"\npassword = {file = "/etc/shadow"}',
        '[install]\nanswer_file = "/etc/shadow"',
        '[install]\nproduct_key = {file = "/etc/shadow"}',
    ],
)
def test_a_recipe_that_others_can_change_names_no_files_of_ours(tmp_path, key):
    recipe = tmp_path / "x.toml"
    recipe.write_text(f'os = "rocky9"\n{key}\n')
    assert read_recipe(recipe, "x").os == "rocky9"
    recipe.chmod(0o666)
    with pytest.raises(RecipeError, match="not yours alone"):
        read_recipe(recipe, "x")
    recipe.write_text('os = "rocky9"\n')
    assert read_recipe(recipe, "x").os == "rocky9"


@pytest.mark.parametrize(
    "key",
    [
        'template = "./x.qcow2"',
        '[defaults.root]\nkey_files = ["k"]',
        '[defaults.root]\npassword = {file = "k"}',
        '[[defaults.users]]\nname = "u"\npassword = {env = "TOKEN"}',
        '[[defaults.files]]\npath = "/etc/x"\nsource = "k"',
    ],
)
def test_a_fleet_that_others_can_change_names_no_files_of_ours(tmp_path, key):
    fleet = tmp_path / "f.toml"
    (tmp_path / "k").write_text("ssh-ed25519 AAAA\n")
    shared = key if key.startswith("[") else f"[defaults]\n{key}"
    fleet.write_text(
        f'name = "f"\n{shared}\n[groups.g]\ntemplate = "rocky9"\ncount = 1\n[[groups.g.nics]]\nuser = true\n'
    )
    assert read_fleet(fleet).name == "f"
    fleet.chmod(0o666)
    with pytest.raises(RecipeError, match="not yours alone"):
        read_fleet(fleet)


BAD_TOML = {
    "a number of 5000 digits": f"x = {'1' * 5000}",
    "a number beyond 64 bits": f"x = {2**63}",
    "a hexadecimal number of 5000 digits": f"x = 0x{'f' * 5000}",
    "lists nested 100000 deep": f"x = {'[' * 100_000}",
    "lists nested 900 deep": f"x = {'[' * 300}{']' * 300}",
    "tables nested 5000 deep": "[" + ".".join("a" * 5000) + "]",
    "NUL": "x = \0",
    "not UTF-8": b"x = '\xff'",
    "two megabytes": "#" * 2**21,
}


@pytest.mark.parametrize("text", BAD_TOML.values(), ids=BAD_TOML.keys())
def test_toml_that_nobody_can_work_with_is_an_error_with_its_reason(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError, match="^The file cannot be read: .+\\.$"):
        read_toml(path, "The file")


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "missing"])
def test_what_is_no_file_is_an_error_at_once(tmp_path, kind):
    path = tmp_path / "x.toml"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_toml(path, "The file")
