import hashlib
from dataclasses import replace

import pytest

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.adapters.iso import open_iso
from imgpipe.errors import PluginError, RecipeError
from imgpipe.media.cpio import archive
from imgpipe.media.request import MediumRequest
from imgpipe.media.resolve import resolve
from imgpipe.os_family import AnswerFile, CdBoot, Console, Hardware, KernelBoot, Proof, Seed, Unattended
from imgpipe.plan import Plan
from imgpipe.recipe import Machine, MediumSource, Nic
from imgpipe.stages import seed as stage
from imgpipe.stages.seed import kernel_arguments, write_seed
from imgpipe.workplace import Workplace

BOOT = KernelBoot(
    kernel=("images/pxeboot/vmlinuz*",),
    initrd=("images/pxeboot/initrd*.img",),
    arguments=("inst.ks=hd:LABEL=ks:/ks.cfg", "inst.stage2=hd:LABEL={volume_id}"),
)
FILES = (AnswerFile(name="ks.cfg", text="text\n# größer\n"), AnswerFile(name="late.sh", text="#!/bin/sh\n"))


@pytest.fixture
def plan(rocky):
    return Plan(
        name="rocky9",
        system=rocky,
        family="el",
        answer_kind="kickstart",
        machine=Machine(),
        medium=MediumSource(),
        nics=(Nic(name="eth0"),),
        install_network="isolated",
        cache="none",
        install_cache="unsafe",
        unattended=Unattended(
            seed=Seed(files=FILES),
            boot=BOOT,
            hardware=Hardware(),
            console=Console(phases=(), troubles=()),
            proof=Proof(console="OK", failure="BAD", file="/ok", content="ok"),
        ),
        operations=(),
        checks=(),
    )


@pytest.fixture
def workplace(store, events):
    return Workplace(store=store, hypervisor=Hypervisor.__new__(Hypervisor), notify=events.append)


@pytest.fixture
def medium(rocky_iso, rocky, media, store):
    return resolve(MediumRequest(system=rocky, source=MediumSource(), folders=(media,)), store, lambda _: None)


def changed(plan, **changes):
    return replace(plan, unattended=replace(plan.unattended, **changes))


def test_kernel_initrd_and_seed_iso_are_written_privately(plan, medium, workplace):
    seed = write_seed(plan, medium, workplace)
    assert seed.folder == workplace.store.work(plan.install_key(medium.sha256))
    assert seed.kernel.read_bytes() == b"kernel of 9.6"
    assert seed.initrd.read_bytes() == b"initrd of 9.6"
    with open_iso(seed.iso) as iso:
        assert iso.volume_id == "ks"
        assert iso.read("ks.cfg") == FILES[0].text.encode()
        assert iso.glob("*") == ("ks.cfg", "late.sh")
    assert {path.stat().st_mode & 0o777 for path in (seed.kernel, seed.initrd, seed.iso)} == {0o600}
    assert (seed.folder / "seed.json").stat().st_mode & 0o777 == 0o600
    assert seed.arguments[1] == r"inst.stage2=hd:LABEL=Rocky\x209.6"
    assert seed.digests == tuple((f.name, hashlib.sha256(f.text.encode()).hexdigest()) for f in FILES)


def test_answer_files_in_the_initrd_follow_it_aligned(plan, medium, workplace):
    seed = write_seed(changed(plan, seed=Seed(files=FILES, place="initrd")), medium, workplace)
    data = seed.initrd.read_bytes()
    assert data[:512] == b"initrd of 9.6".ljust(512, b"\0")
    assert data[512:] == archive({file.name: file.text.encode() for file in FILES})
    assert seed.iso is None
    assert not (seed.folder / "seed.iso").exists()


def test_a_whole_seed_is_reused_and_a_damaged_one_written_again(plan, medium, workplace, monkeypatch):
    seed = write_seed(plan, medium, workplace)
    before = seed.initrd.stat().st_ino, seed.iso.stat().st_ino
    assert write_seed(plan, medium, workplace) == seed
    assert (seed.initrd.stat().st_ino, seed.iso.stat().st_ino) == before
    seed.initrd.write_bytes(b"cut")
    assert write_seed(plan, medium, workplace) == seed
    assert seed.initrd.read_bytes() == b"initrd of 9.6"


def test_a_seed_that_was_interrupted_is_written_again(plan, medium, workplace, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(stage, "write_seed_iso", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_seed(plan, medium, workplace)
    folder = workplace.store.work(plan.install_key(medium.sha256))
    assert sorted(path.name for path in folder.iterdir()) == ["initrd", "kernel"]
    assert write_seed(plan, medium, workplace).iso.exists()


def test_a_medium_that_boots_itself_gives_no_kernel(plan, medium, workplace):
    seed = write_seed(changed(plan, boot=CdBoot(keys=("KEY_SPACE",))), medium, workplace)
    assert (seed.kernel, seed.initrd, seed.arguments) == (None, None, ())
    assert seed.iso.exists()


def test_answer_files_cannot_go_into_the_initrd_of_a_medium_that_boots_itself(plan, medium, workplace):
    with pytest.raises(PluginError, match="boots the medium"):
        write_seed(changed(plan, boot=CdBoot(), seed=Seed(files=FILES, place="initrd")), medium, workplace)


def test_the_newest_match_of_the_paths_is_taken_where_treeinfo_says_nothing(plan, make_iso, rocky, workplace):
    names = (
        "vmlinuz-5.10.134-9.x86_64",
        "vmlinuz-5.10.134-16.x86_64",
        "initrd-5.10.134-9.img",
        "initrd-5.10.134-16.img",
    )
    path = make_iso("anolis.iso", {f"images/pxeboot/{name}": name for name in names}, "Anolis")
    with open_iso(path) as iso:
        assert stage.find_on_medium(iso, "", BOOT.kernel, "kernel") == f"images/pxeboot/{names[1]}"
        assert stage.find_on_medium(iso, "images/gone", BOOT.initrd, "initrd") == f"images/pxeboot/{names[3]}"


def test_a_medium_without_a_kernel_says_what_was_tried(make_iso):
    path = make_iso("live.iso", {"readme": ""})
    with open_iso(path) as iso, pytest.raises(RecipeError, match="has no kernel") as caught:
        stage.find_on_medium(iso, "a/vmlinuz", ("b/vmlinuz*",), "kernel")
    assert caught.value.details == (".treeinfo: a/vmlinuz", "path: b/vmlinuz*")


def test_a_volume_id_cannot_add_kernel_arguments():
    boot = replace(BOOT, arguments=("a={volume_id}", "{other}"))
    assert kernel_arguments(boot, "x init=/bin/sh") == (r"a=x\x20init=\x2fbin\x2fsh", "{other}")


def test_an_archive_is_the_same_for_the_same_files_and_aligned():
    one, two = archive({"a": b"1", "b.sh": b"22"}), archive({"b.sh": b"22", "a": b"1"})
    assert one == two
    assert len(one) % 512 == 0


@pytest.mark.parametrize("name", ["a/b", "..", "", "x\0y", "TRAILER!!!"])
def test_an_archive_takes_names_at_the_root_only(name):
    with pytest.raises(PluginError):
        archive({name: b""})
