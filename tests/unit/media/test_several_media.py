"""Installers that need more than one medium: found, told apart, inspected, copied from."""

from dataclasses import replace

import pytest

from imgpipe.adapters.iso import open_iso
from imgpipe.artifacts import joint_digest
from imgpipe.errors import PluginError, RecipeError
from imgpipe.media.request import MediaRequest, MediumRequest, named_overrides
from imgpipe.media.several import resolve_all
from imgpipe.os_family import FurtherMedium, Inspected, MediumCopy, MediumIdentity
from imgpipe.provenance import medium_record
from imgpipe.recipe import MediumSource
from imgpipe.stages.seed_copies import copied_files

DRIVERS = FurtherMedium(
    name="virtio",
    title="drivers",
    media=("virtio-*.iso",),
    identity=MediumIdentity(landmark="viostor/*/*/viostor.inf", arch=""),
    stand_in="drivers-stand-in",
)
TREE = {
    "viostor/2k16/amd64/viostor.inf": "inf",
    "viostor/2k16/amd64/viostor.sys": "sys",
    "viostor/2k16/amd64/viostor.PDB": "debug",
    "viostor/w10/amd64/viostor.inf": "other",
    "guest-agent/agent.msi": "msi",
}


@pytest.fixture
def system(rocky):
    return replace(rocky, further=(DRIVERS,))


@pytest.fixture
def media_request(rocky_iso, make_iso, system, media):
    make_iso("virtio-0.1.2.iso", TREE, "virtio-win-0.1.2")

    def ask(**changes):
        own = MediumRequest(system=system, source=MediumSource(), folders=(media,))
        further = MediumRequest(system=DRIVERS, source=MediumSource(), folders=(media,))
        return replace(MediaRequest(own=own, further=(further,)), **changes)

    return ask


def test_all_media_are_found_and_name_the_install_together(media_request, store, events):
    medium = resolve_all(media_request(), store, events.append)
    (other,) = medium.further
    assert (other.name, other.volume_id) == ("virtio", "virtio-win-0.1.2")
    assert medium.digest == joint_digest(medium.sha256, other.sha256)
    assert medium.digest not in {medium.sha256, other.sha256}
    assert medium_record(medium).digest == medium.digest
    assert replace(medium, further=()).digest == medium.sha256


def test_a_further_medium_that_is_nowhere_is_named(media_request, store, media, events):
    (media / "virtio-0.1.2.iso").unlink()
    with pytest.raises(RecipeError, match="no installation medium for 'virtio'"):
        resolve_all(media_request(), store, events.append)


def test_a_medium_without_its_landmark_is_another(media_request, make_iso, media, store, events):
    make_iso("virtio-9.iso", {"a": "b"}, "virtio-win-9")
    with pytest.raises(RecipeError) as raised:
        resolve_all(media_request(), store, events.append)
    assert "it has no 'viostor/*/*/viostor.inf'" in raised.value.details


def test_what_the_plugin_finds_is_told_or_stops_the_build(media_request, store, events):
    seen = {}

    def inspect(content):
        seen.update({name: one.volume_id for name, one in content.items()})
        return Inspected(notes=("two editions",))

    resolve_all(media_request(inspect=inspect), store, events.append)
    assert seen == {"": "Rocky 9.6", "virtio": "virtio-win-0.1.2"}
    assert any(getattr(event, "text", "") == "two editions" for event in events)
    with pytest.raises(RecipeError) as raised:
        resolve_all(media_request(inspect=lambda _: Inspected(faults=("no edition",))), store, events.append)
    assert list(raised.value.details) == ["no edition"]


def test_media_are_told_apart_on_the_command_line(system):
    assert named_overrides([], system) == {}
    assert named_overrides(["a=b.iso", "virtio=v.iso"], system) == {"": "a=b.iso", "virtio": "v.iso"}
    assert named_overrides(["stand-in"], system) == {"": "stand-in", "virtio": "stand-in"}
    assert named_overrides(["stand-in", "virtio=v.iso"], system) == {"": "stand-in", "virtio": "v.iso"}
    with pytest.raises(RecipeError, match="two media"):
        named_overrides(["a.iso", "b.iso"], system)


def copy(*sources, target="to", **more):
    return MediumCopy(medium="virtio", sources=sources, target=target, **more)


@pytest.fixture
def medium(media_request, store):
    return resolve_all(media_request(), store, lambda _: None)


def test_the_first_source_that_is_there_is_copied(medium, tmp_path):
    copies = (
        copy("viostor/2k25/amd64", "viostor/2k16/amd64", target="$WinPEDriver$/viostor", leave_out=("*.pdb",)),
        copy("guest-agent/agent.msi", target="imgpipe/agent.msi"),
    )
    with copied_files(copies, medium, tmp_path) as found:
        contents = {name: path.read_text() for name, path in found.items()}
    assert contents == {
        "$WinPEDriver$/viostor/viostor.inf": "inf",
        "$WinPEDriver$/viostor/viostor.sys": "sys",
        "imgpipe/agent.msi": "msi",
    }
    assert list(tmp_path.glob("copied-*")) == []


def test_what_no_source_has_is_an_error_that_names_them(medium, tmp_path):
    with pytest.raises(RecipeError) as raised, copied_files((copy("a/b", "c"),), medium, tmp_path):
        pass
    assert list(raised.value.details) == ["looked for: a/b", "looked for: c"]


def test_a_medium_that_no_system_names_is_the_plugins_fault(medium, tmp_path):
    with pytest.raises(PluginError), copied_files((replace(copy("a"), medium="x"),), medium, tmp_path):
        pass


def test_a_part_of_a_file_is_read_from_where_it_is(medium):
    with open_iso(medium.further[0].path) as iso:
        path = "viostor/w10/amd64/viostor.inf"
        assert iso.read_part(path, 1, 3) == b"the"
        assert iso.read_part(path, 3, 99) == b"er"
        assert iso.read_part(path, 99, 1) == b""
        with pytest.raises(RecipeError):
            iso.read_part("nothing", 0, 1)


def test_what_only_behaves_as_windows_setup_is_never_taken_for_windows(make_iso, media, store, events):
    from imgpipe_windows.systems import RELEASES
    from imgpipe_windows_standin.virtio_tree import treeinfo

    system = RELEASES["win2016"].system
    for wanted, landmark in ((system, "sources/install.wim"), (system.further[0], "viostor/2k16/amd64/viostor.inf")):
        path = make_iso("windows.iso", {landmark: "x", ".treeinfo": treeinfo("A stand-in")}, "IMGPIPE")
        with pytest.raises(RecipeError) as raised:
            resolve_all(
                MediaRequest(own=MediumRequest(system=wanted, source=MediumSource(), override=str(path))),
                store,
                events.append,
            )
        assert "it is a stand-in, and nothing of Windows is on it" in raised.value.details
