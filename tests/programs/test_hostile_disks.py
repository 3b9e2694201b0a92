"""Hostile disks against qemu-img itself: what it would guess is refused, and what is copied is what was checked."""

import json
import mmap
import os
import re
import struct
import subprocess
from types import SimpleNamespace

import pytest

from imgpipe import importing
from imgpipe.adapters import held_disk, qemu_img
from imgpipe.adapters.hypervisor import _only_disk
from imgpipe.adapters.pool import Base
from imgpipe.adapters.pool_folder import FolderPool
from imgpipe.adapters.scratch import scratch
from imgpipe.disk_source import check_source, held
from imgpipe.errors import RecipeError
from imgpipe.store import Store

SIZE = 2**20
SECRET = b"the neighbour's data"


def run(*argv):
    """Run a program, and return what it prints."""
    return subprocess.run([*map(str, argv)], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def neighbour(tmp_path):
    """A neighbour's disk, of whose bytes none may be in any copy."""
    path = tmp_path / "neighbour.img"
    path.write_bytes(SECRET.ljust(SIZE, b"n"))
    return path


@pytest.fixture
def disguised(tmp_path, neighbour):
    """A raw disk into whose first bytes its guest wrote a qcow2 header with the neighbour's disk as backing file."""
    header = tmp_path / "header.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", neighbour, "-F", "raw", header)
    path = tmp_path / "guest.img"
    path.write_bytes(header.read_bytes().ljust(SIZE, b"g"))
    assert guessed(path) == "qcow2"
    return path


def guessed(path):
    """Return the format that qemu-img takes a file for; '' where it then finds that it is a damaged one."""
    told = subprocess.run(["qemu-img", "info", "--output=json", path], check=False, capture_output=True, text=True)
    return json.loads(told.stdout)["format"] if told.returncode == 0 else ""


def content(qcow2, folder):
    """Return what a machine would read from one of our qcow2 images."""
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", qcow2, folder / "content.img")
    return (folder / "content.img").read_bytes()


def test_a_raw_disk_by_its_definition_is_copied_as_raw_whatever_is_in_it(tmp_path, disguised):
    xml = f"<domain><devices><disk><driver type='raw'/><source file='{disguised}'/></disk></devices></domain>"
    path, form = _only_disk("vm001", xml)
    checked = check_source(path, form)
    with held(checked.layers) as files:
        held_disk.adopt(files, tmp_path / "copy.qcow2")
    assert content(tmp_path / "copy.qcow2", tmp_path) == disguised.read_bytes()


def test_an_import_copies_what_the_definition_says_and_keeps_it_to_itself(tmp_path, disguised, monkeypatch):
    store = Store(tmp_path / "root")

    def looked_at(disk, **_how):
        assert content(disk, tmp_path) == disguised.read_bytes()
        raise RecipeError("looked at")

    monkeypatch.setattr(importing, "open_disk", looked_at)
    hypervisor = SimpleNamespace(accelerator=lambda: "tcg")
    workplace = SimpleNamespace(store=store, hypervisor=hypervisor, notify=lambda _: None)
    with pytest.raises(RecipeError, match="looked at"):
        importing.import_disk("copy", disguised, workplace, told="raw")
    (copied,) = store.root.glob("work/import-*/installed.qcow2")
    assert copied.stat().st_mode & 0o777 == 0o600
    with pytest.raises(RecipeError, match="elsewhere"):
        importing.import_disk("copy", disguised, workplace)


@pytest.mark.parametrize("linked", [True, False])
def test_machines_of_a_raw_disk_get_its_bytes(tmp_path, disguised, linked):
    checked = check_source(disguised, "raw")
    pool = FolderPool("default", tmp_path / "pool", None)
    pool.path.mkdir()
    base = pool.base(disguised, "", "", foreign=checked)
    (pool.overlay if linked else pool.copy)("vm001.qcow2", base, SIZE)
    assert content(pool.file("vm001.qcow2"), tmp_path) == disguised.read_bytes()
    assert (qemu_img.info(pool.file("vm001.qcow2")).backing is not None) == linked


def test_what_an_appliance_gets_is_an_overlay_that_says_raw(tmp_path, disguised):
    with scratch(check_source(disguised, "raw")) as overlay:
        assert content(overlay, tmp_path) == disguised.read_bytes()
        told = json.loads(run("qemu-img", "info", "--output=json", "-f", "qcow2", overlay))
        assert told["backing-filename-format"] == "raw"
        assert overlay.stat().st_mode & 0o777 == 0o600
    assert not overlay.exists()


def test_a_copy_of_a_chain_is_what_was_checked_even_if_names_lead_elsewhere_by_then(tmp_path, neighbour):
    folder = tmp_path / "vm"
    folder.mkdir()
    base, top = folder / "base.img", folder / "top.qcow2"
    base.write_bytes(b"\0" * 510 + b"\x55\xaa" + b"b" * (SIZE - 512))
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.img", "-F", "raw", top)
    checked = check_source(top, trusted=(folder,))

    def swapped_and_copied():
        with held(checked.layers) as files:
            base.rename(folder / "kept.img")
            base.symlink_to(neighbour)
            held_disk.adopt(files, tmp_path / "copy.qcow2")

    # A rename changes the inode, which is told of at the end.
    with pytest.raises(RecipeError, match="changed"):
        swapped_and_copied()
    assert content(tmp_path / "copy.qcow2", tmp_path) == (folder / "kept.img").read_bytes()


def test_a_chain_of_qcow2_files_is_read_from_its_checked_headers(tmp_path):
    base, middle, top = (tmp_path / f"{name}.qcow2" for name in ("base", "middle", "top"))
    run("qemu-img", "create", "-q", "-f", "qcow2", base, str(SIZE))
    for number, (image, below) in enumerate(((base, None), (middle, base), (top, middle))):
        if below:
            run("qemu-img", "create", "-q", "-f", "qcow2", "-b", below.name, "-F", "qcow2", image)
        run("qemu-io", "-f", "qcow2", "-c", f"write -P {number + 1} {number * 65536} 64k", image)
    with held(check_source(top, trusted=(tmp_path,)).layers) as files:
        held_disk.adopt(files, tmp_path / "copy.qcow2")
    assert qemu_img.info(tmp_path / "copy.qcow2").backing is None
    assert content(tmp_path / "copy.qcow2", tmp_path)[: 3 * 65536] == b"\1" * 65536 + b"\2" * 65536 + b"\3" * 65536


def with_backing_file(start, path):
    """Return the start of a qcow2 with a raw backing file named in it."""
    name, at = os.fsencode(path), struct.unpack_from(">I", start, 100)[0]
    more = struct.pack(">II", 0xE2792ACA, 3) + b"raw".ljust(8, b"\0") + bytes(8)
    changed = bytearray(start)
    changed[at : at + len(more) + len(name)] = more + name
    struct.pack_into(">QI", changed, 8, at + len(more), len(name))
    return bytes(changed)


def with_data_file(start, path):
    """Return the start of a qcow2 that keeps its data in the file named in it."""
    name, at = os.fsencode(path), struct.unpack_from(">I", start, 100)[0]
    more = struct.pack(">II", 0x44415441, len(name)) + name + bytes(-len(name) % 8 + 8)
    changed = bytearray(start)
    changed[at : at + len(more)] = more
    struct.pack_into(">Q", changed, 72, 4)
    struct.pack_into(">Q", changed, 88, 2)
    return bytes(changed)


def adopted(checked, folder):
    """Copy a disk as an import does."""
    with held(checked.layers) as files:
        held_disk.adopt(files, folder / "copy.qcow2")
    return folder / "copy.qcow2"


def cloned(checked, folder):
    """Copy a disk as a clone or a deploy does."""
    pool = FolderPool("default", folder, None)
    pool.copy("vm001.qcow2", pool.base(checked.path, "", "", foreign=checked), SIZE)
    return pool.file("vm001.qcow2")


def looked_at(checked, folder):
    """Copy what an appliance sees of a disk."""
    with scratch(checked) as overlay:
        run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", overlay, folder / "seen.qcow2")
    return folder / "seen.qcow2"


@pytest.mark.parametrize("copied", [adopted, cloned, looked_at])
@pytest.mark.parametrize("hostile", [with_backing_file, with_data_file])
def test_a_header_that_is_changed_without_a_trace_after_the_check_is_not_followed(tmp_path, neighbour, hostile, copied):
    # All clusters are there: what is read of a data file is read at the guest's own addresses.
    disk, outside = tmp_path / "user.qcow2", tmp_path / "outside"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={outside},data_file_raw=on", disk, SIZE)
    run("qemu-io", "-f", "qcow2", "-c", f"write -P 0x41 0 {SIZE}", disk)
    start = bytearray(disk.read_bytes()[:65536])
    at = struct.unpack_from(">I", start, 100)[0]
    start[72:80] = start[88:96] = bytes(8)
    start[at:] = bytes(len(start) - at)
    with disk.open("r+b") as file:
        file.write(start)
        os.ftruncate(file.fileno(), 4 * SIZE)
        memory = mmap.mmap(file.fileno(), 65536)
    # From now on the kernel sees no write to it, until it has written these pages to the disk.
    memory[:] = bytes(start)
    checked, state = check_source(disk, "qcow2"), disk.stat()
    expected = content(disk, tmp_path)
    memory[:] = hostile(bytes(start), neighbour)
    assert disk.stat().st_ctime_ns == state.st_ctime_ns
    assert content(disk, tmp_path) != expected
    folder = tmp_path / "ours"
    folder.mkdir()
    made = copied(checked, folder)
    assert content(made, tmp_path) == expected
    assert qemu_img.info(made).backing is None


FORMATS = ("qcow", "qed", "vdi", "vhdx", "vmdk", "vpc", "parallels", "luks", "dmg", "bochs", "cloop")
TEXTS = (
    b"version=1\n",
    b"version=2\n",
    b"version=3\r\n",
    b"# c\nversion=1\n",
    b"#\n  \n \r\nversion=1\n",
    b" \nversion=2\n",
)


def made(tmp_path):
    """Yield a disk of every format that this qemu-img can make."""
    for name in FORMATS:
        path = tmp_path / f"disk.{name}"
        more = ("--object", "secret,id=s,data=x", "-o", "key-secret=s,iter-time=10") if name == "luks" else ()
        done = subprocess.run(
            ["qemu-img", "create", "-q", *more, "-f", name, path, str(SIZE)], check=False, capture_output=True
        )
        if done.returncode == 0:
            yield name, path


def test_every_format_that_qemu_knows_is_refused_and_so_is_its_head_on_a_raw_disk(tmp_path):
    found = dict(made(tmp_path))
    assert {"qcow", "qed", "vdi", "vhdx", "vmdk", "vpc"} <= set(found)
    for name, path in found.items():
        with pytest.raises(RecipeError):
            check_source(path)
        head = path.read_bytes()[:510].ljust(510, b"\0") + b"\x55\xaa" + b"\0" * SIZE
        disk = tmp_path / "raw.img"
        disk.write_bytes(head)
        if guessed(disk) != "raw":
            with pytest.raises(RecipeError):
                check_source(disk)
        assert check_source(disk, "raw").format == "raw", name


@pytest.mark.parametrize("text", TEXTS)
def test_boot_code_that_qemu_takes_for_a_descriptor_is_refused(tmp_path, text, neighbour):
    extent = f'createType="monolithicFlat"\nRW {SIZE // 512} FLAT "{neighbour}" 0\n'.encode()
    disk = tmp_path / "disk.img"
    disk.write_bytes((text + extent).ljust(510, b"\0") + b"\x55\xaa" + b"d" * SIZE)
    assert guessed(disk) in {"vmdk", ""}
    with pytest.raises(RecipeError, match="vmdk"):
        check_source(disk)
    with held(check_source(disk, "raw").layers) as files:
        held_disk.adopt(files, tmp_path / "copy.qcow2")
    copied = content(tmp_path / "copy.qcow2", tmp_path)
    assert copied[: disk.stat().st_size] == disk.read_bytes()
    assert SECRET not in copied


def test_what_qemu_img_calls_by_two_names_is_refused(tmp_path, neighbour):
    """Of two extensions QEMU takes the last."""
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-b", neighbour, "-F", "raw", disk)
    data = bytearray(disk.read_bytes())
    at = data.index(b"\xe2\x79\x2a\xca")
    more = b"\xe2\x79\x2a\xca\0\0\0\5qcow2\0\0\0"
    data[at:at] = more
    offset = int.from_bytes(data[8:16], "big") + len(more)
    data[8:16] = offset.to_bytes(8, "big")
    del data[65536 - 16 : 65536]
    disk.write_bytes(data)
    assert json.loads(run("qemu-img", "info", "--output=json", "-U", disk))["backing-filename-format"] == "raw"
    with pytest.raises(RecipeError, match="twice"):
        check_source(disk, trusted=(tmp_path,))


def test_an_external_data_file_is_refused(tmp_path, neighbour):
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path / 'd'},data_file_raw=on", disk, SIZE)
    with pytest.raises(RecipeError, match="another file"):
        check_source(disk, trusted=(tmp_path,))


def test_a_name_beyond_the_first_64_kib_is_refused(tmp_path, neighbour):
    disk = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", disk, SIZE)
    name = os.fsencode(neighbour)
    with disk.open("r+b") as file:
        file.seek(8)
        file.write((0x20000).to_bytes(8, "big") + len(name).to_bytes(4, "big"))
        file.seek(0x20000)
        file.write(name)
    assert json.loads(run("qemu-img", "info", "--output=json", disk))["backing-filename"] == str(neighbour)
    with pytest.raises(RecipeError, match="cannot be read"):
        check_source(disk, "qcow2", trusted=(tmp_path,))


def test_every_call_of_qemu_img_says_the_format(tmp_path, disguised, monkeypatch):
    calls = []

    def noted(*argv, **how):
        calls.append([str(word) for word in argv])
        return run(*argv)

    monkeypatch.setattr(qemu_img.process, "run", noted)
    monkeypatch.setattr(qemu_img.process, "follow", lambda *argv, **_how: noted(*argv))
    qemu_img.create(tmp_path / "a.qcow2", SIZE)
    qemu_img.create_overlay(tmp_path / "b.qcow2", tmp_path / "a.qcow2")
    qemu_img.resize(tmp_path / "b.qcow2", 2 * SIZE)
    qemu_img.info(tmp_path / "b.qcow2")
    qemu_img.info(disguised, "raw")
    qemu_img.convert(tmp_path / "b.qcow2", tmp_path / "c.qcow2")
    qemu_img.export(tmp_path / "b.qcow2", tmp_path / "c.vmdk", "vmdk")
    qemu_img.check(tmp_path / "c.qcow2")
    qemu_img.adopt(disguised, "raw", tmp_path / "d.qcow2")
    qemu_img.make_independent(tmp_path / "b.qcow2")
    FolderPool("default", tmp_path, None).overlay("e", Base(path=disguised, format="raw", virtual_size=SIZE), SIZE)
    assert len(calls) == 11
    for call in calls:
        assert "-f" in call, call
        assert ("-b" not in call) or "-F" in call or call[1] == "rebase", call


def test_no_module_starts_qemu_img_but_the_adapter():
    """The rule above holds of all, because there is one place."""
    from imgpipe.settings import checkout

    users = [
        path.name
        for top in ("pipeline", "plugins")
        for path in (checkout() / top).rglob("*.py")
        if re.search(r"(?:run|follow|Popen)\(\s*\[?\"qemu-img\"", path.read_text())
    ]
    assert set(users) == {"qemu_img.py"}


def test_a_damaged_disk_is_told_of_by_its_name_and_is_nobody_elses_fault(tmp_path):
    disk = tmp_path / "damaged.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", disk, SIZE)
    with disk.open("r+b") as file:
        os.pwrite(file.fileno(), struct.pack(">I", 2**31), 36)
    store = Store(tmp_path / "root")
    workplace = SimpleNamespace(store=store, hypervisor=None, notify=lambda _: None)
    with pytest.raises(RecipeError, match=f"cannot read the disk '{disk}'") as told:
        importing.import_disk("copy", disk, workplace)
    assert "L1" in " ".join(told.value.details)
    assert "json:" not in " ".join(told.value.details)
    assert not list((store.root / "work").iterdir())
