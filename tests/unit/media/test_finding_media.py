from pathlib import Path

import pytest

from imgpipe.errors import RecipeError
from imgpipe.media.find import find_medium, media_folders, natural_order, not_found
from imgpipe.media.request import MediumRequest
from imgpipe.recipe import MediumSource


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def ask(rocky, media, **changes) -> MediumRequest:
    return MediumRequest(system=rocky, folders=(media,), **{"source": MediumSource(), **changes})


def test_the_newest_release_is_taken_by_number_and_not_by_letter(store, media, rocky):
    touch(media, "Rocky-9.9-x86_64-minimal.iso", "Rocky-9.10-x86_64-minimal.iso", "Rocky-9.10-x86_64-minimal.iso.part")
    found = find_medium(ask(rocky, media), store)
    assert found.path == media / "Rocky-9.10-x86_64-minimal.iso"
    assert [path.name for path in found.others] == ["Rocky-9.9-x86_64-minimal.iso"]


def test_an_earlier_pattern_goes_before_a_newer_release(store, media, rocky):
    touch(media, "Rocky-9.1-x86_64-minimal.iso", "Rocky-9.6-x86_64-dvd.iso")
    assert find_medium(ask(rocky, media), store).path.name == "Rocky-9.1-x86_64-minimal.iso"


def test_case_of_names_does_not_matter(store, media, rocky):
    touch(media, "rocky-9.1-X86_64-MINIMAL.ISO")
    assert find_medium(ask(rocky, media), store) is not None


def test_folders_are_looked_in_in_order(store, media, rocky, monkeypatch, tmp_path):
    monkeypatch.setenv("IMGPIPE_MEDIA", f"{tmp_path}/first:{tmp_path}/second")
    folders = media_folders((media,), store)
    assert folders == (tmp_path / "first", tmp_path / "second", media, Path.cwd(), store.root / "media")
    for folder in reversed(folders):
        touch(folder, "Rocky-9.1-minimal.iso")
        assert find_medium(ask(rocky, media), store).path.parent == folder


def test_a_system_s_medium_that_is_nowhere_is_none_and_the_error_says_what_helps(store, media, rocky):
    touch(media, "other.iso")
    assert find_medium(ask(rocky, media), store) is None
    error = not_found(ask(rocky, media), store)
    assert "'rocky9' (Rocky Linux 9)" in str(error)
    assert "from the publisher" in error.hint
    assert "imgpipe build demo" in error.hint
    assert "looked for: Rocky-9*-minimal.iso" in error.details
    assert f"looked in: {media} (1 ISO file)" in error.details
    assert f"looked in: {store.root / 'media'} (no such folder)" in error.details


def test_the_operator_s_word_goes_before_the_recipe_s(store, media, rocky):
    touch(media, "mine.iso", "Rocky-9.1-minimal.iso", "named.iso")
    source = MediumSource(file="named.iso")
    assert find_medium(ask(rocky, media, source=source), store).path.name == "named.iso"
    assert (
        find_medium(ask(rocky, media, source=source, override=str(media / "mine.iso")), store).path.name == "mine.iso"
    )
    assert find_medium(ask(rocky, media, source=source, override="m*.iso"), store).path.name == "mine.iso"


def test_a_path_may_have_wildcards_in_its_name(store, media, rocky):
    touch(media, "a-1.iso", "a-2.iso")
    found = find_medium(ask(rocky, media, override=f"{media}/a-*.iso"), store)
    assert found.path.name == "a-2.iso"


def test_a_file_url_is_a_path(store, media, rocky):
    touch(media, "with blank.iso")
    found = find_medium(ask(rocky, media, override=(media / "with blank.iso").as_uri()), store)
    assert found.path == media / "with blank.iso"


def test_a_url_is_left_for_the_download(store, media, rocky):
    source = MediumSource(url="https://host.invalid/a.iso", sha256="a" * 64)
    assert find_medium(ask(rocky, media, source=source), store).url == "https://host.invalid/a.iso"


@pytest.mark.parametrize("name", ["none.iso", "/nowhere/none.iso", "n*.iso"])
def test_a_named_medium_that_is_not_there_is_an_error_even_if_another_would_fit(store, media, rocky, name):
    touch(media, "Rocky-9.1-minimal.iso")
    with pytest.raises(RecipeError, match=r"medium\.file names") as caught:
        find_medium(ask(rocky, media, source=MediumSource(file=name)), store)
    assert caught.value.details


def test_a_relative_name_in_the_current_folder_is_made_absolute(store, media, rocky):
    touch(Path.cwd(), "here.iso")
    assert find_medium(ask(rocky, media, override="here.iso"), store).path.is_absolute()


def test_natural_order_knows_numbers():
    assert sorted(["a10", "a9", "a", "b1"], key=natural_order) == ["a", "a9", "a10", "b1"]
