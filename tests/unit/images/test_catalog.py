import os

import pytest

from imgpipe.errors import HostError, RecipeError
from imgpipe.images import catalog


def references(found):
    return [image.reference for image in found.images]


def test_an_empty_data_root_has_no_images(store):
    assert catalog.read_catalog(store) == catalog.Catalog(images=())
    assert catalog.names(store) == ()


def test_versions_are_listed_newest_first_and_serials_are_numbers(store, add_image):
    for version in ("20260301.2", "20260301.10", "20260228.1"):
        add_image("rocky9", version)
    add_image("debian13", "20260101.1")
    assert references(catalog.read_catalog(store)) == [
        "debian13@20260101.1",
        "rocky9@20260301.10",
        "rocky9@20260301.2",
        "rocky9@20260228.1",
    ]


def test_a_name_means_its_newest_version_and_a_version_means_itself(store, add_image):
    old, new = add_image("rocky9", "20260228.1"), add_image("rocky9", "20260301.1")
    assert catalog.find(store, "rocky9") == new
    assert catalog.find(store, "rocky9@20260228.1") == old


def test_a_misspelt_name_is_answered_with_the_names_near_to_it(store, add_image):
    add_image("rocky9-minimal", "20260301.1")
    with pytest.raises(RecipeError) as caught:
        catalog.find(store, "rocky9-mininal")
    assert caught.value.hint == "Did you mean 'rocky9-minimal'?"


def test_an_unknown_version_is_answered_with_those_there_are(store, add_image):
    add_image("rocky9", "20260301.1")
    with pytest.raises(RecipeError) as caught:
        catalog.find(store, "rocky9@20260301.2")
    assert caught.value.details == ("rocky9@20260301.1",)


@pytest.mark.parametrize("reference", ["../rocky9", "", "@20260301.1", "/etc", ".locks", "a/b@20260301.1"])
def test_a_reference_never_leads_out_of_the_catalog(store, add_image, reference):
    add_image("rocky9", "20260301.1")
    with pytest.raises(RecipeError):
        catalog.find(store, reference)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"format": 2}', "[" * 100_000])
def test_a_damaged_manifest_is_told_of_and_hides_nothing_else(store, add_image, text):
    sound, broken = add_image("rocky9", "20260228.1"), add_image("rocky9", "20260301.1")
    (broken.folder / "manifest.json").write_text(text)
    found = catalog.read_catalog(store)
    assert references(found) == [sound.reference]
    assert [damage.path for damage in found.damages] == [broken.folder]
    assert catalog.newest(store, "rocky9") is None


def test_a_manifest_that_is_a_pipe_is_not_waited_for(store, add_image):
    broken, sound = add_image("broken", "20260301.1"), add_image("rocky9", "20260301.1")
    (broken.folder / "manifest.json").unlink()
    os.mkfifo(broken.folder / "manifest.json")
    found = catalog.read_catalog(store)
    assert found.images == (sound,)
    assert "cannot be read: It is no plain file" in found.damages[0].reason


def test_a_damaged_version_asked_for_by_name_is_called_damaged(store, add_image):
    image = add_image("rocky9", "20260301.1")
    (image.folder / "golden.qcow2").unlink()
    with pytest.raises(HostError, match=r"it has no 'golden\.qcow2'"):
        catalog.find(store, "rocky9")


def test_a_folder_copied_under_another_name_is_not_that_image(store, add_image):
    image = add_image("rocky9", "20260301.1")
    image.folder.rename(image.folder.with_name("20260301.2"))
    (damage,) = catalog.read_catalog(store).damages
    assert damage.reason == "its manifest is of 'rocky9@20260301.1'"


def test_foreign_files_folders_and_links_are_no_images(store, add_image, tmp_path):
    add_image("rocky9", "20260301.1")
    (store.images / "README").write_text("mine")
    (store.images / "rocky9" / "backup").mkdir()
    (store.images / "linked").symlink_to(tmp_path)
    (store.images / ".locks").mkdir()
    found = catalog.read_catalog(store)
    assert references(found) == ["rocky9@20260301.1"]
    assert [damage.path.name for damage in found.damages] == ["backup"]
