import pytest
from windows_orders import answer

import windows_media as made
from imgpipe.errors import RecipeError
from imgpipe_windows.media.inspect import inspect
from imgpipe_windows.media.wim import read_images
from imgpipe_windows.systems import RELEASES


def look(system="win2016", medium=None, drivers=None, **more):
    more.setdefault("guest", {"locale": "zh_CN.UTF-8"})
    media = {"": medium or made.windows_medium(), "virtio": drivers or made.virtio_medium()}
    return inspect(RELEASES[system].system, answer(system, **more), media)


def test_the_recipes_edition_is_found_and_told():
    found = look()
    assert found.faults == ()
    assert found.notes[0] == (
        "Windows is installed from image 2: Windows Server 2016 SERVERSTANDARD, x64, build 14393, zh-CN."
    )
    assert "viostor/2k16/amd64 100.92.104.26000" in found.notes[1]
    assert "virtio-win 0.1.285" in found.notes[1]


def test_an_edition_that_is_not_there_is_answered_with_those_that_are():
    (fault,) = look(options={"edition": "Windows Server 2016 SERVERHYPER"}).faults
    assert "no edition 'Windows Server 2016 SERVERHYPER'" in fault
    assert all(name in fault for name in made.EDITIONS)
    (fault,) = look(options={"image_index": 7}).faults
    assert "no image 7" in fault


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"ARCH": "0"}, "is not for x64"),
        ({"VERSION_BUILD": "17763"}, "is not Windows Server 2016"),
        ({"PRODUCTTYPE": "WinNT"}, "is a client"),
        ({"LANGUAGES_LANGUAGE": "en-US"}, "does not hold 'zh-CN'; it holds en-US"),
        ({"EDITIONID": "ServerStandardEval"}, "options.key"),
    ],
)
def test_an_image_that_is_not_the_recipes_is_refused(facts, fault):
    (found,) = look(medium=made.windows_medium(made.wim_xml(**facts))).faults
    assert fault in found


def test_an_evaluation_needs_no_key_and_is_taken_without():
    medium = made.windows_medium(made.wim_xml(EDITIONID="ServerStandardEval"))
    assert look(medium=medium, options={"key": "none"}).faults == ()


@pytest.mark.parametrize("name", ["install.esd", "install.swm", "INSTALL.WIM"])
def test_every_kind_of_image_file_is_read(name):
    assert len(read_images(made.windows_medium(name=name))) == 2


def test_a_medium_without_images_is_no_windows_medium():
    (fault,) = look(medium=made.Folder({"a": b""})).faults
    assert "has no 'sources/install.wim'" in fault


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (made.wim("<WIM>"), "no XML"),
        (made.wim('<!DOCTYPE x [<!ENTITY a "b">]><WIM/>'), "entities"),
        (made.wim("<WIM/>", flags=4), "compressed"),
        (made.wim("<WIM/>", magic=b"PK"), "does not begin"),
        (made.wim("<WIM/>")[:-3], "ends before"),
        (b"MSWIM", "does not begin"),
    ],
)
def test_a_damaged_image_file_is_named_and_never_a_traceback(data, why):
    with pytest.raises(RecipeError, match=why):
        read_images(made.Folder({"sources/install.wim": data}))


def test_a_hostile_description_is_bounded_and_printable():
    (image,) = read_images(
        made.windows_medium(made.wim_xml(("a\u202eb\nc" + "x" * 9999,), ARCH="99", VERSION_BUILD="٣"))
    )
    assert image.name.startswith("abcx")
    assert len(image.name) == 200
    assert (image.architecture, image.build) == ("", 0)


DISPLAYS = {
    "win2008r2": "qxl/2k8R2",
    "win2016": "qxldod/2k16",
    "win2019": "qxldod/2k19",
    "win2022": "viogpudo/2k22",
    "win2025": "viogpudo/2k25",
    "win10": "qxldod/w10",
    "win11": "viogpudo/w11",
}


@pytest.mark.parametrize("system", DISPLAYS)
def test_each_system_gets_its_own_drivers(system):
    notes = look(system).notes[-1]
    assert f"{DISPLAYS[system]}/amd64" in notes
    first = RELEASES[system].drivers[0]
    assert f"viostor/{first}/amd64" in notes
    assert f"NetKVM/{first}/amd64" in notes


def test_an_older_virtio_win_gives_2025_the_drivers_of_windows_11():
    older = made.virtio_medium("0.1.248", tuple(name for name in made.ALL_SYSTEMS if name != "2k25"))
    found = look("win2025", drivers=older)
    assert not [fault for fault in found.faults if "virtio" in fault]
    assert "viostor/w11/amd64" in found.notes[-1]


def test_drivers_that_are_not_there_are_each_named():
    faults = look("win2022", drivers=made.virtio_medium(systems=("2k8R2",))).faults
    assert [fault for fault in faults if "no viostor.inf for Windows Server 2022" in fault]
    assert [fault for fault in faults if "no viogpudo.inf" in fault]
    without = made.virtio_medium()
    del without.files["guest-agent/qemu-ga-x86_64.msi"]
    assert any("qemu-ga" in fault for fault in look(drivers=without).faults)


def signature_faults(version, **options):
    found = look("win2012r2", drivers=made.virtio_medium(version), options=options).faults
    return [fault for fault in found if "sign" in fault or "release" in fault]


def test_2012_r2_refuses_releases_whose_drivers_are_signed_for_tests_only():
    assert signature_faults("0.1.215") == signature_faults("0.1.208") == []
    assert "take 0.1.215 or older" in signature_faults("0.1.285")[0]
    assert signature_faults("0.1.285", unsigned_drivers_reason="testsigning is on") == []
    assert len(signature_faults("x")) == 1


def test_a_list_of_drivers_in_another_form_costs_only_the_versions():
    for content in (b"{", b"[]", b'{"drivers": 5}', b'[{"inf_path": 3}]'):
        medium = made.virtio_medium()
        medium.files["data/info.json"] = content
        found = look(drivers=medium)
        assert found.faults == ()
        assert "viostor/2k16/amd64," in found.notes[-1]
