import dataclasses
import json

import pytest

from imgpipe.deploy.template import of_image, os_id
from imgpipe.errors import HostError
from imgpipe.images.catalog import find
from imgpipe.logins import Login
from imgpipe.recipe import Machine
from imgpipe.self_sealing import SystemVolume


def edited(image, store, edit):
    path = image.folder / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))
    return find(store, image.reference)


def test_a_template_is_what_the_manifest_says(add_image):
    image = add_image("rocky9", "20260301.1")
    template = of_image(image)
    assert (template.reference, template.disk) == (image.reference, image.disk)
    assert (template.size, template.virtual_size) == (image.manifest.image.size, 2**30)
    assert (template.machine, template.cache, template.hardware.disk_bus) == (Machine(), "none", "virtio")
    assert template.personalise.way == "first-boot"


@pytest.mark.parametrize(
    ("operations", "way", "prepared"),
    [
        (["machine-id"], "first-boot", False),
        (["machine-id", "first-boot-identity"], "first-boot", True),
        (["machine-id"], "cloud-init", True),
        (["machine-id"], "unattend", False),
        ([], "unattend-cd", True),
        ([], "cloudbase-init", True),
    ],
)
def test_an_image_is_prepared_if_something_in_it_applies_an_identity(add_image, store, operations, way, prepared):
    def edit(manifest):
        manifest["sealed"]["operations"] = operations
        manifest["plan"]["unattended"]["personalise"]["way"] = way

    assert of_image(edited(add_image("rocky9", "20260301.1"), store, edit)).prepared is prepared


@pytest.mark.parametrize(
    ("way", "sealing", "generalized", "proven"),
    [
        ("first-boot", None, {}, True),
        ("unattend", {"kind": "SelfSealing"}, {"image state": "sealed"}, True),
        ("unattend", {"kind": "SelfSealing"}, {}, False),
        ("unattend", None, {}, False),
        ("unattend-cd", {"kind": "SelfSealing"}, {"image state": "sealed"}, True),
        ("unattend-cd", {"kind": "SelfSealing"}, {}, False),
        ("cloudbase-init", {"kind": "SelfSealing"}, {}, False),
        ("first-boot", {"kind": "SelfSealing"}, {}, False),
    ],
)
def test_an_image_that_should_have_sealed_itself_needs_its_proof(add_image, store, way, sealing, generalized, proven):
    def edit(manifest):
        manifest["sealed"]["generalized"] = generalized
        manifest["plan"]["unattended"]["sealing"] = sealing
        manifest["plan"]["unattended"]["personalise"]["way"] = way

    assert of_image(edited(add_image("rocky9", "20260301.1"), store, edit)).proven is proven


def test_where_a_clone_is_told_who_it_is_stands_in_the_manifest(add_image, store):
    def edit(manifest):
        personalise = manifest["plan"]["unattended"]["personalise"]
        volume = SystemVolume(holds=("/SOFTWARE",))
        personalise["volume"] = {"kind": "SystemVolume", **dataclasses.asdict(volume)}
        personalise["settings"] = [["time-zone", "UTC"]]

    template = of_image(edited(add_image("rocky9", "20260301.1"), store, edit))
    assert template.personalise.volume == SystemVolume(holds=("/SOFTWARE",))
    assert template.personalise.settings == (("time-zone", "UTC"),)


def test_a_manifest_that_does_not_say_enough_is_told_with_the_key(add_image, store):
    def edit(manifest):
        manifest["plan"]["machine"]["cpus"] = "many"

    with pytest.raises(HostError, match=r"rocky9@20260301\.1") as caught:
        of_image(edited(add_image("rocky9", "20260301.1"), store, edit))
    assert caught.value.details[0].startswith("cpus: ")


@pytest.mark.parametrize(
    ("short", "known"),
    [
        ("rocky9", "http://rockylinux.org/rocky/9"),
        ("centos-stream9", "http://centos.org/centos-stream/9"),
        ("ubuntu24.04", "http://ubuntu.com/ubuntu/24.04"),
        ("win2k16", "http://microsoft.com/win/2k16"),
        ("anolis8", ""),
        ("", ""),
    ],
)
def test_libosinfos_ids_are_known_for_the_systems_it_has(short, known):
    assert os_id(short) == known


def test_who_can_log_in_is_read_from_the_manifest_and_unknown_in_older_ones(add_image, store):
    def edit(manifest):
        manifest["plan"]["logins"] = [{"kind": "Login", "name": "root", "password": True, "keys": 0}]

    image = add_image("rocky9", "20260301.1")
    assert of_image(image).logins is None
    assert of_image(edited(image, store, edit)).logins == (Login(name="root", password=True),)
