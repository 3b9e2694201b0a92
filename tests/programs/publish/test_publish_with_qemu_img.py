import dataclasses
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from imgpipe.adapters import qemu_img
from imgpipe.adapters.image_headers import is_zstd
from imgpipe.errors import HostError, RecipeError
from imgpipe.events import Progress
from imgpipe.images import catalog
from imgpipe.images.export import Encoding, export
from imgpipe.images.retire import remove
from imgpipe.images.soundness import faults
from imgpipe.images.users import any_of, overlays_in
from imgpipe.manifest import read
from imgpipe.stages.publish import publish
from sample_images import DISK_BYTES, Heard, sample_disk, sample_plan, sample_workplace

pytestmark = pytest.mark.programs


@pytest.fixture
def workplace(tmp_path):
    return sample_workplace(tmp_path)


@pytest.fixture
def image(disk, workplace):
    golden = publish(sample_plan(), disk, workplace)
    return catalog.find(workplace.store, f"{golden.name}@{golden.version}")


def told_by_qemu(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def flip_one_byte(path, offset):
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))
    path.chmod(0o444)


def test_the_image_is_whole_compressed_and_equal_to_the_sealed_disk(disk, image):
    assert told_by_qemu("qemu-img", "compare", disk.sealed.path, image.disk)[0] == 0
    code, text = told_by_qemu("qemu-img", "info", "--output=json", image.disk)
    told = json.loads(text)
    assert code == 0
    assert "backing-filename" not in told
    assert told["format-specific"]["data"]["compression-type"] == "zstd"
    assert told["virtual-size"] == DISK_BYTES
    assert image.disk.stat().st_size < 2**20


def play(tmp_path, monkeypatch, words):
    """Play a qemu-img that refuses what has `words`, as an old one does, and notes what it was asked."""
    folder = tmp_path / "programs"
    folder.mkdir()
    played, asked = folder / "qemu-img", folder / "asked"
    real = shutil.which("qemu-img")
    refusal = "qemu-img: x: Invalid parameter 'compression_type'"
    played.write_text(
        f'#!/bin/sh\necho "$*" >> {asked}\ncase "$*" in *{words}*) echo "{refusal}" >&2; exit 1 ;; esac\n'
        f'exec {real} "$@"\n'
    )
    played.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return asked


def compression_of(path):
    told = json.loads(told_by_qemu("qemu-img", "info", "--output=json", path)[1])
    return told["format-specific"]["data"]["compression-type"]


@pytest.mark.parametrize("words", ["compression_type=zstd", "compression_type"], ids=["EL 8", "QEMU 4.1"])
def test_a_qemu_img_without_zstd_compresses_by_zlib_and_is_asked_once(disk, tmp_path, monkeypatch, words):
    asked = play(tmp_path, monkeypatch, words)
    assert qemu_img.best_compression() == qemu_img.best_compression() == "zlib"
    assert asked.read_text().count("compression_type=zstd") == 1
    target = tmp_path / "small.qcow2"
    qemu_img.convert(disk.sealed.path, target, compress=qemu_img.best_compression())
    assert compression_of(target) == "zlib"
    assert target.stat().st_size < 2**20


def test_a_qemu_img_that_makes_no_image_at_all_is_no_old_one(tmp_path, monkeypatch):
    play(tmp_path, monkeypatch, "create")
    with pytest.raises(HostError, match="qemu-img"):
        qemu_img.best_compression()


def test_an_image_is_exported_for_hosts_that_read_zlib_alone(image, tmp_path):
    assert is_zstd(image.disk)
    written = export(image, tmp_path / "old.qcow2", Heard(), Encoding(compression="zlib"))
    assert not is_zstd(written.path)
    assert compression_of(written.path) == "zlib"
    assert told_by_qemu("qemu-img", "compare", image.disk, written.path)[0] == 0
    assert written.path.stat().st_size < 2**20
    assert hashlib.sha256(written.path.read_bytes()).hexdigest() == written.sha256
    assert is_zstd(export(image, tmp_path / "new.qcow2", Heard(), Encoding(compression="zstd")).path)
    assert not is_zstd(export(image, tmp_path / "plain.raw", Heard(), Encoding(form="raw")).path)


def test_an_image_is_exported_in_version_2_of_qcow2_for_hosts_that_read_no_other(image, tmp_path):
    written = export(image, tmp_path / "old.qcow2", Heard(), Encoding(compat="0.10"))
    told = json.loads(told_by_qemu("qemu-img", "info", "--output=json", written.path)[1])
    assert told["format-specific"]["data"]["compat"] == "0.10"
    # The header's second word is the version; only version 3 has room for another compression than zlib.
    assert written.path.read_bytes()[4:8] == b"\0\0\0\2"
    assert told_by_qemu("qemu-img", "compare", image.disk, written.path)[0] == 0
    assert written.path.stat().st_size < 2**20
    newer = export(image, tmp_path / "new.qcow2", Heard(), Encoding(compat="1.1")).path
    assert newer.read_bytes()[4:8] == b"\0\0\0\3"
    assert compression_of(newer) == "zlib"


@pytest.mark.parametrize(
    ("encoding", "why"),
    [
        (Encoding(form="raw", compression="zlib"), "'--compression' is of qcow2, not of raw"),
        (Encoding(form="vmdk", compat="0.10"), "'--compat' is of qcow2, not of vmdk"),
        (Encoding(compat="0.10", compression="zstd"), "cannot be compressed with zstd"),
    ],
)
def test_what_no_format_can_is_refused(image, tmp_path, encoding, why):
    with pytest.raises(RecipeError, match=why):
        export(image, tmp_path / "x", Heard(), encoding)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize(("words", "told"), [((), 1), (("--compression", "zlib"), 0), (("--format", "vmdk"), 0),
                                              (("--compat", "0.10"), 0)])  # fmt: skip
def test_the_export_says_which_hosts_do_not_read_it(image, workplace, tmp_path, words, told):
    command = (sys.executable, "-c", "from imgpipe.cli.main import main; main()", "images", "export", image.reference)
    done = subprocess.run(
        [*command, "--to", tmp_path / "out", *words],
        env={**os.environ, "IMGPIPE_HOME": str(workplace.store.root)},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert done.stderr.count("Enterprise Linux 8, 9 before 9.4, and QEMU before 5.1 do not read") == told


def test_a_published_image_is_sound(image):
    heard = Heard()
    assert faults(image, heard) == ()
    assert [event for event in heard if isinstance(event, Progress)][-1].percent == 100


def test_converting_reports_progress(disk, tmp_path):
    percents: list[float] = []
    qemu_img.convert(disk.sealed.path, tmp_path / "copy.qcow2", moved=percents.append)
    assert percents == sorted(percents)
    assert percents[-1] == 100


def test_a_program_that_fails_while_it_is_followed_is_an_error_with_its_words(tmp_path):
    with pytest.raises(HostError, match="qemu-img") as caught:
        qemu_img.convert(tmp_path / "missing.qcow2", tmp_path / "copy.qcow2")
    assert "No such file or directory" in " ".join(caught.value.details)


def test_the_sbom_is_valid_cyclonedx(image):
    text = (image.folder / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_one_flipped_byte_is_found_wherever_it_is(image, place):
    flip_one_byte(image.disk, int(image.disk.stat().st_size * place))
    assert any("sha256" in fault for fault in faults(image, Heard()))


def test_all_faults_are_listed_at_once(image):
    flip_one_byte(image.disk, image.disk.stat().st_size // 2)
    image.disk.chmod(0o644)
    (image.folder / "sbom.cdx.json").unlink()
    (image.folder / "report.json").chmod(0o644)
    (image.folder / "report.json").write_text("{}")
    found = "\n".join(faults(image, Heard()))
    for part in ("writable", "sha256", "'sbom.cdx.json' is missing", "'report.json' was changed"):
        assert part in found


def test_an_image_replaced_by_an_overlay_or_by_no_image_is_found(disk, image):
    image.disk.unlink()
    qemu_img.create_overlay(image.disk, disk.sealed.path)
    assert any("not whole by itself" in fault and "backing file" in fault for fault in faults(image, Heard()))
    image.disk.write_bytes(b"\0" * 1024)
    assert any("is no qcow2" in fault for fault in faults(image, Heard()))


@pytest.mark.parametrize("form", ["qcow2", "raw", "vmdk", "vhdx"])
def test_every_format_holds_the_same_disk_and_its_checksum_is_right(image, tmp_path, form):
    written = export(image, tmp_path, Heard(), Encoding(form=form))
    assert told_by_qemu("qemu-img", "compare", "-f", form, "-F", "qcow2", written.path, image.disk)[0] == 0
    check = subprocess.run(
        ["sha256sum", "--check", f"{written.path.name}.sha256"],
        cwd=tmp_path,
        timeout=60,
        check=False,
        capture_output=True,
    )
    assert check.returncode == 0
    assert written.path.stat().st_blocks * 512 < DISK_BYTES // 2


def test_an_image_is_not_removed_while_an_overlay_of_an_overlay_needs_it(image, workplace, tmp_path):
    machines = tmp_path / "machines" / "fleet"
    machines.mkdir(parents=True)
    qemu_img.create_overlay(machines / "web1.qcow2", image.disk)
    qemu_img.create_overlay(machines / "web1-snapshot.qcow2", machines / "web1.qcow2")
    (machines / "notes.txt").write_text("no image")
    used = any_of(overlays_in([tmp_path / "machines", tmp_path / "nowhere"]), lambda _: ("web1",))
    with pytest.raises(RecipeError, match="3 linked clones") as caught:
        remove(workplace.store, image, used)
    assert caught.value.details == (str(machines / "web1-snapshot.qcow2"), str(machines / "web1.qcow2"), "web1")
    for path in machines.iterdir():
        path.unlink()
    remove(workplace.store, image, overlays_in([tmp_path / "machines"]))
    assert not image.folder.exists()


def test_overlays_are_found_however_they_name_their_backing_file(image, tmp_path):
    name = os.path.relpath(image.disk, tmp_path / "machines")
    described = json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": str(image.disk)}})
    flat = json.dumps({"driver": "qcow2", "file.driver": "file", "file.filename": str(image.disk)})
    forms = (name, str(image.disk), f"file:{image.disk}", f"json:{described}", f"json:{flat}")
    machines = tmp_path / "machines"
    machines.mkdir()
    for number, backing in enumerate(forms):
        words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, f"{machines}/{number}.qcow2"]
        subprocess.run(words, check=True, timeout=60)
    found = overlays_in([machines])(image.disk)
    assert [Path(path).stem for path in found] == [str(number) for number in range(len(forms))]


def test_two_publishes_at_once_make_one_version(disk, workplace):
    published = []
    threads = [
        threading.Thread(target=lambda: published.append(publish(sample_plan(), disk, workplace))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(published) == 2
    assert published[0] == published[1]
    assert len(catalog.versions(workplace.store, "rocky9")) == 1


def test_two_publishes_of_other_disks_at_once_make_two_sound_versions(disk, workplace):
    other = dataclasses.replace(disk, sealed=dataclasses.replace(disk.sealed, key="other"))
    threads = [threading.Thread(target=publish, args=(sample_plan(), each, workplace)) for each in (disk, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    images = catalog.read_catalog(workplace.store).images
    assert len(images) == 2
    assert [faults(image, Heard()) for image in images] == [(), ()]


BUILD = """
import sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from sample_images import sample_disk, sample_plan, sample_workplace
from imgpipe.stages.publish import publish
publish(sample_plan(), sample_disk(Path(sys.argv[1])), sample_workplace(Path(sys.argv[2])))
"""


def wait_for(condition, what):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.005)


def children(pid):
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def test_a_publish_killed_in_the_middle_leaves_no_version_and_the_next_one_cleans_up(tmp_path):
    work = tmp_path / "work" / "0123456789abcdef"
    disk = sample_disk(work)
    qemu_img.create(disk.sealed.path, 2**30)
    # Random data, so that compressing it takes long enough to be killed in.
    noise = tmp_path / "noise"
    noise.write_bytes(os.urandom(2**20))
    command = f"write -s {noise} 0 256M"
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", command, disk.sealed.path], check=True, timeout=120, capture_output=True
    )
    folder = tmp_path / "images" / "rocky9"
    build = subprocess.Popen([sys.executable, "-c", BUILD, work, tmp_path, *sys.path])
    try:
        wait_for(lambda: any(folder.glob(".partial-*/golden.qcow2")) or build.poll() is not None, "the partial image")
        assert build.poll() is None
        workers = children(build.pid)
    finally:
        build.send_signal(signal.SIGKILL)
        build.wait(60)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert catalog.versions(sample_workplace(tmp_path).store, "rocky9") == ()
    assert len(list(folder.glob(".partial-*"))) == 1
    golden = publish(sample_plan(), disk, sample_workplace(tmp_path))
    assert [path.name for path in folder.iterdir()] == [golden.version]
    assert read(golden.manifest).image.virtual_size == 2**30
