from dataclasses import replace
from pathlib import Path

from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.images.users import machines_and

DISK = Path("/data/images/rocky9/20260301.1/golden.qcow2")
RECORD = MachineRecord(
    fleet="web",
    group="web",
    template="rocky9@20260301.1",
    linked=True,
    identity="",
    hostname="web-1",
    addresses=(),
    pool="other",
    disk="web-1.qcow2",
)


def machine(name, record):
    return ExistingMachine(
        name=name,
        uuid="",
        active=False,
        autostart=False,
        cpus=1,
        memory=1,
        nics=(),
        disk=f"/pool/{name}.qcow2",
        record=record,
    )


def users(*machines, overlays=()):
    return machines_and(lambda _: tuple(overlays), machines)(DISK)


def test_linked_machines_need_it_wherever_their_disks_are():
    assert users(machine("web-1", RECORD), machine("db", None)) == ("web-1",)


def test_an_overlay_of_a_machine_is_called_by_the_machines_name():
    overlays = ("/pool/web-1.qcow2", "/pool/db.qcow2", "/pool/stray.qcow2")
    assert users(machine("web-1", RECORD), machine("db", None), overlays=overlays) == (
        "/pool/stray.qcow2",
        "db",
        "web-1",
    )


def test_a_copy_needs_it_only_until_it_is_made():
    copy = replace(RECORD, linked=False)
    assert users(machine("web-1", copy)) == ()
    assert users(machine("web-1", replace(copy, complete=False))) == ("web-1",)


def test_another_version_is_another_image():
    assert users(machine("web-1", replace(RECORD, template="rocky9@20260301.2"))) == ()


def test_a_machine_that_was_begun_from_the_images_file_by_its_path_needs_it(tmp_path):
    disk = tmp_path / "images" / "rocky9" / "20260301.1" / "golden.qcow2"
    disk.parent.mkdir(parents=True)
    disk.touch()
    (tmp_path / "link.qcow2").symlink_to(disk)
    begun = replace(RECORD, template=str(tmp_path / "link.qcow2"), linked=False, complete=False)
    assert machines_and(lambda _: (), [machine("web-1", begun)])(disk) == ("web-1",)
