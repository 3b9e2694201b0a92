import pytest

from imgpipe.errors import RecipeError
from imgpipe.recipe_files import RecipeFolders
from imgpipe.sizes import GIB


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "rocky9.toml").write_text('os = "rocky9"\n[machine]\nfirmware = "uefi"\n')
    (tmp_path / "big-1c1g1g.toml").write_text('os = "rocky9"\n')
    return RecipeFolders((tmp_path,))


def test_a_size_in_the_name_replaces_the_size_and_nothing_else(folders):
    recipe = folders.load("rocky9-4c2g15g")
    assert (recipe.name, recipe.machine.cpus) == ("rocky9-4c2g15g", 4)
    assert (recipe.machine.memory, recipe.machine.disk) == (2 * GIB, 15 * GIB)
    assert recipe.machine.firmware == "uefi"


def test_an_exact_file_name_wins_over_a_size(folders):
    assert folders.load("big-1c1g1g").machine.cpus == 2


def test_a_path_names_a_recipe(folders, tmp_path):
    assert folders.load(str(tmp_path / "rocky9.toml")).name == "rocky9"


def test_the_first_folder_wins(folders, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "rocky9.toml").write_text('os = "rocky8"\n')
    assert RecipeFolders((own, tmp_path)).load("rocky9").os == "rocky8"


def test_an_unknown_name_is_answered_with_the_nearest(folders):
    with pytest.raises(RecipeError) as caught:
        folders.load("rocki9-4c2g15g")
    assert "no recipe 'rocki9-4c2g15g'" in str(caught.value)
    assert "rocky9" in caught.value.hint


def test_all_faults_of_a_file_are_told_at_once_with_their_keys(tmp_path):
    (tmp_path / "bad.toml").write_text(
        'os = "rocky9"\ncolour = "red"\n[machine]\nmemory = "much"\ncores = 4\n'
        '[medium]\nurl = "https://example.org/x.iso"\n[[nics]]\nname = "eth0"\ngateway = "10.0.0.1"\n'
        '[guest]\ntimezone = "UTC\\nrootpw x"\n'
    )
    with pytest.raises(RecipeError) as caught:
        RecipeFolders((tmp_path,)).load("bad")
    keys = {line.split(":")[0] for line in caught.value.details}
    assert keys == {"colour", "machine.memory", "machine.cores", "medium", "nics.0", "guest.timezone"}


def test_a_fault_never_shows_the_value_which_may_be_a_secret(tmp_path):
    (tmp_path / "bad.toml").write_text('os = "rocky9"\n[guest.root]\npassword = "hunter2"\n')
    with pytest.raises(RecipeError) as caught:
        RecipeFolders((tmp_path,)).load("bad")
    assert "hunter2" not in "".join(caught.value.details)


def test_a_file_that_is_no_toml_is_an_error_with_its_place(tmp_path):
    (tmp_path / "bad.toml").write_text("os = \n")
    with pytest.raises(RecipeError, match="line 1"):
        RecipeFolders((tmp_path,)).load("bad")


@pytest.mark.parametrize("sign", ['"', "\\", "<", ">", "`", "{", "|", "^", " ", "\u00a0"])
def test_a_url_with_a_sign_that_would_end_it_is_no_url(tmp_path, sign):
    # In a sentence or in JSON the rest of such a login stood outside of what is known as the URL, and was shown.
    (tmp_path / "r.toml").write_text(f"os = \"rocky9\"\n[install]\nproxy = 'http://me:s3{sign}cret@proxy:3128'\n")
    with pytest.raises(RecipeError) as caught:
        RecipeFolders((tmp_path,)).load("r")
    assert [line.split(":")[0] for line in caught.value.details] == ["install.proxy"]
    (tmp_path / "r.toml").write_text("os = \"rocky9\"\n[install]\nproxy = 'http://me:s3%22cr~e!t@[::1]:3128/?x=1#y'\n")
    assert RecipeFolders((tmp_path,)).load("r").install.proxy


def test_a_recipe_in_the_current_folder_is_named_by_its_file(folders, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('os = "rocky9"\n')
    with pytest.raises(RecipeError, match="There is no recipe 'mine'") as caught:
        RecipeFolders(()).load("mine")
    assert caught.value.hint.startswith("A recipe of your own is named by its file: ./mine.toml. ")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("win2k16", "Did you mean win2016? 'imgpipe os list' shows all."),
        ("rocky", "Did you mean rocky9, rocky8, rocky10? 'imgpipe os list' shows all."),
        ("freebsd", "'imgpipe os list' shows all."),
    ],
)
def test_an_unknown_system_is_answered_with_what_was_meant(plugins, name, hint):
    with pytest.raises(RecipeError) as caught:
        plugins.system(name)
    assert caught.value.hint == hint
