import json
import os
from datetime import UTC, datetime

import pytest

from imgpipe import manifest
from imgpipe.adapters import qemu_img
from imgpipe.errors import HostError
from imgpipe.events import Note, Progress
from imgpipe.images import catalog
from imgpipe.stages.publish import find_published, next_version, publish
from sample_images import HASH, SECRETS, Heard, sample_plan, sample_workplace, with_key


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_version_holds_the_image_its_manifest_its_sbom_and_its_report_read_only(qemu, disk, tmp_path):
    golden = publish(sample_plan(), disk, sample_workplace(tmp_path))
    assert names(golden.path.parent) == ["golden.qcow2", "manifest.json", "report.json", "sbom.cdx.json"]
    assert {path.stat().st_mode & 0o777 for path in golden.path.parent.iterdir()} == {0o444}
    assert golden.path.parent.parent == tmp_path / "images" / "rocky9"


def test_qemu_of_another_user_can_reach_the_image_whatever_the_umask(qemu, disk, tmp_path):
    before = os.umask(0o077)
    try:
        golden = publish(sample_plan(), disk, sample_workplace(tmp_path))
    finally:
        os.umask(before)
    assert all(folder.stat().st_mode & 0o005 == 0o005 for folder in list(golden.path.parents)[:3])


def test_the_manifest_says_what_went_in(qemu, disk, tmp_path):
    plan = sample_plan()
    told = manifest.read(publish(plan, disk, sample_workplace(tmp_path)).manifest)
    assert told.medium is not None
    assert (told.medium.title, told.medium.sha256) == ("Rocky Linux 9.7", "b" * 64)
    assert told.keys.install == plan.install_key("b" * 64)
    assert told.keys.publish == plan.publish_key(disk.sealed.key)
    assert told.answer_files == {"ks.cfg": "c" * 64}
    assert told.host.accelerator == "tcg"
    assert told.tools["qemu-img"] == "10.0.2"
    assert (told.seconds["install"], told.seconds["sysprep"], told.seconds["verify"]) == (684.2, 31.4, 42.0)
    assert told.sealed.packages == 4
    assert [(check.name, check.passed) for check in told.verified] == [("boots", True)]
    assert told.plan["system"]["name"] == "rocky9"
    assert told.system.product == "Rocky Linux 9.7 (Blue Onyx)[31m"


def test_no_secret_is_in_any_file_beside_the_image(qemu, disk, tmp_path):
    plan = sample_plan()
    assert HASH in plan.unattended.seed.files[0].text
    folder = publish(plan, disk, sample_workplace(tmp_path)).path.parent
    for name in ("manifest.json", "report.json", "sbom.cdx.json"):
        text = (folder / name).read_text()
        assert not [secret for secret in SECRETS if secret in text], name
        assert "\x1b" not in json.loads(text).get("checks", [{"output": ""}])[0]["output"]


def test_the_sbom_lists_every_package_once_with_its_locator(qemu, disk, tmp_path):
    folder = publish(sample_plan(), disk, sample_workplace(tmp_path)).path.parent
    bill = json.loads((folder / "sbom.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert sorted(part["purl"] for part in bill["components"] if "purl" in part) == [
        "pkg:rpm/rocky/bash@5.1.8-9.el9?arch=x86_64&distro=rocky-9.7",
        "pkg:rpm/rocky/kernel-core@5.14.0-1.el9?arch=x86_64&distro=rocky-9.7",
        "pkg:rpm/rocky/kernel-core@5.14.0-2.el9?arch=x86_64&distro=rocky-9.7",
        "pkg:rpm/rocky/vim-minimal@8.2.2637-20.el9?arch=x86_64&distro=rocky-9.7&epoch=2",
    ]
    told = manifest.read(folder / "manifest.json")
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": told.image.sha256}]


def test_the_same_inputs_are_not_published_again(qemu, disk, tmp_path):
    plan, workplace = sample_plan(), sample_workplace(tmp_path)
    first = publish(plan, disk, workplace)
    assert publish(plan, disk, workplace) == first
    assert len(qemu.converted) == 1
    assert find_published(plan.name, plan.publish_key(disk.sealed.key), workplace.store) == first


def test_other_inputs_become_the_next_version_and_the_first_stays(qemu, disk, tmp_path):
    plan, workplace = sample_plan(), sample_workplace(tmp_path)
    first = publish(plan, disk, workplace)
    second = publish(plan, with_key(disk, "other"), workplace)
    assert catalog.versions(workplace.store, plan.name) == (second.version, first.version)
    assert first.path.exists()
    assert find_published(plan.name, plan.publish_key(disk.sealed.key), workplace.store) is None


def test_an_image_that_lost_bytes_is_not_taken_for_published(qemu, disk, tmp_path):
    plan, workplace = sample_plan(), sample_workplace(tmp_path)
    first = publish(plan, disk, workplace)
    first.path.chmod(0o644)
    first.path.write_bytes(b"short")
    assert publish(plan, disk, workplace).version != first.version


def test_a_publish_that_fails_leaves_nothing(qemu, disk, tmp_path):
    qemu.fails = HostError("No room.")
    with pytest.raises(HostError, match="No room"):
        publish(sample_plan(), disk, sample_workplace(tmp_path))
    assert names(tmp_path / "images" / "rocky9") == []


def test_an_error_of_the_system_is_told_as_one_of_the_host(qemu, disk, tmp_path):
    qemu.fails = OSError(28, "No space left on device")
    with pytest.raises(HostError, match="No space left on device"):
        publish(sample_plan(), disk, sample_workplace(tmp_path))


def test_an_image_that_was_not_written_whole_is_refused(qemu, disk, tmp_path, monkeypatch):
    monkeypatch.setattr(qemu_img, "convert", lambda _, target, **__: target.write_bytes(b"half"))
    with pytest.raises(HostError, match="not written whole"):
        publish(sample_plan(), disk, sample_workplace(tmp_path))


def test_what_a_killed_publish_left_is_removed_by_the_next(qemu, disk, tmp_path):
    left = tmp_path / "images" / "rocky9" / ".partial-20200101.1-abc"
    left.mkdir(parents=True)
    (left / "golden.qcow2").write_bytes(b"half")
    golden = publish(sample_plan(), disk, sample_workplace(tmp_path))
    assert names(tmp_path / "images" / "rocky9") == [golden.version]


def test_an_install_without_a_record_is_published_with_a_warning(qemu, disk, tmp_path):
    (disk.sealed.folder / "install.json").write_text("{ damaged")
    heard = Heard()
    told = manifest.read(publish(sample_plan(), disk, sample_workplace(tmp_path, heard)).manifest)
    assert told.medium is None
    assert [event.warning for event in heard if isinstance(event, Note)] == [True]


def test_the_percentage_only_rises_and_ends_near_a_hundred(qemu, disk, tmp_path):
    heard = Heard()
    publish(sample_plan(), disk, sample_workplace(tmp_path, heard))
    percents = [event.percent for event in heard if isinstance(event, Progress)]
    assert percents == sorted(percents)
    assert percents[-1] == 99


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ((), "20260301.1"),
        (("20260228.7",), "20260301.1"),
        (("20260301.9", "20260301.10"), "20260301.11"),
        (("20270101.2",), "20270101.3"),
    ],
)
def test_version_numbers_only_grow_even_if_the_clock_was_set_back(taken, expected):
    assert next_version(datetime(2026, 3, 1, 12, tzinfo=UTC), taken) == expected
