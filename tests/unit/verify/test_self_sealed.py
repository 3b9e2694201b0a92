"""Systems that seal themselves: what the stages ask of their disks, in which order, and what they make of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

import tiny_plan
from imgpipe.domain_features import NEWEST
from imgpipe.errors import GuestError, HostError
from imgpipe.offline_edits import Absent, Operation, Remove
from imgpipe.os_family import AnswerFile, CdBoot
from imgpipe.self_sealing import DiskFacts, Explanation, Judgement, RegistryValue, SelfSealing, SystemVolume
from imgpipe.stages import install, self_sealed, sysprep, verify
from imgpipe.store import Store
from imgpipe.workplace import Workplace

STATE = RegistryValue(hive="/SOFTWARE", key="Setup", name="State")
FOLDER = Operation(
    name="leftovers",
    description="Remove what is left.",
    steps=(Remove(patterns=("/left",)),),
    sealed=(Absent(patterns=("/left",)),),
)
SECRET = "hunter22"  # of a test


def judge(facts: DiskFacts) -> Judgement:
    """Take the tag for the proof."""
    if facts.unclean or facts.files["/tag"] is None:
        return Judgement(asserted=(), faults=(*facts.unclean, "the tag is missing"))
    state = (("state", facts.registry[STATE] or ""),)
    return Judgement(asserted=("The tag is there.",), faults=(), state=state, product="Doors", version="7")


def explain(logs):
    """Quote the only log."""
    text = "".join(content.decode() for content in logs.values())
    return Explanation(reason=text.partition("\n")[0], lines=tuple(text.splitlines()))


SEALING = SelfSealing(
    volume=SystemVolume(holds=("/SOFTWARE",)),
    files=("/tag",),
    registry=(STATE,),
    judge=judge,
    logs=("/log",),
    explain=explain,
    secret_places=("/*",),
)
_PLAN = tiny_plan.tiny_plan("good")
ANSWERS = AnswerFile(name="unattend.xml", text=f"<Value>{SECRET}</Value>")
PLAN = replace(
    _PLAN,
    operations=(FOLDER,),
    unattended=replace(
        _PLAN.unattended,
        sealing=SEALING,
        boot=CdBoot(),
        seed=replace(_PLAN.unattended.seed, files=(ANSWERS,)),
    ),
)


class FakeVolume:
    """A disk that says what a test wants to hear."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.tag: bytes | None = b""
        self.log = b""
        self.unclean: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()
        self.leaks: tuple[str, ...] = ()
        self.missing = False

    def mount(self, volume):
        self.calls.append("mount")
        assert volume == SEALING.volume
        if self.missing:
            raise GuestError("No such system.", details=["sda1: ntfs"])
        return self.unclean

    def facts(self, files, registry, unclean):
        return DiskFacts(files={files[0]: self.tag}, registry={registry[0]: "sealed"}, unclean=unclean)

    def logs(self, _volume, patterns, _dumps):
        self.calls.append("logs")
        return {patterns[0]: self.log} if self.log else {}

    def mount_writable(self):
        self.calls.append("mount_writable")

    def apply(self, steps):
        self.calls.append("apply")
        assert list(steps) == list(FOLDER.steps)

    def trim(self):
        self.calls.append("trim")
        return ()

    def remains(self, claim):
        assert claim == FOLDER.sealed[0]
        return self.left

    def search(self, patterns, texts):
        assert (patterns, texts) == (("/*",), (SECRET,))
        return self.leaks


@pytest.fixture
def disk(monkeypatch):
    fake = FakeVolume()

    @contextmanager
    def open_volume_disk(_path, *, accelerator, read_only=False, log=None):
        fake.calls.append("read-only" if read_only else "writable")
        yield fake

    for module in (self_sealed, sysprep):
        monkeypatch.setattr(module, "open_volume_disk", open_volume_disk)
    monkeypatch.setattr(sysprep.qemu_img, "create_overlay", lambda path, **_: path.write_text("overlay"))
    return fake


class FakeMachine:
    def destroy(self):
        """End it, again and again."""


class FakeHypervisor:
    def accelerator(self, _kernel=None):
        return "tcg"

    def versions(self):
        return {}

    def features(self, accelerator):
        return replace(NEWEST, accelerator=accelerator)

    def start_transient(self, _xml, *, prepare, recorded):
        prepare()
        return FakeMachine()


@pytest.fixture
def place(tmp_path):
    hypervisor: Any = FakeHypervisor()
    return Workplace(store=Store(tmp_path), hypervisor=hypervisor, notify=lambda _event: None)


def installed(place):
    return SimpleNamespace(path=place.store.root / "installed.qcow2", key="k1")


def test_a_sealed_disk_is_judged_cleaned_and_judged_again(disk, place):
    sealed = sysprep.seal(PLAN, installed(place), place)
    assert disk.calls == ["writable", "mount", "mount_writable", "apply", "trim", "mount"]
    state = sealed.state
    assert (state.product, state.version, state.generalized) == ("Doors", "7", (("state", "sealed"),))
    assert state.operations == ("leftovers",)
    assert state.asserted == (
        "The tag is there.",
        "leftovers: nothing matches /left.",
        "No password of the answer files is where they leave copies.",
    )


def test_a_disk_without_its_proof_is_not_touched(disk, place):
    disk.tag = None
    with pytest.raises(GuestError, match="switched itself off, but is not sealed: the tag is missing"):
        sysprep.seal(PLAN, installed(place), place)
    assert disk.calls == ["writable", "mount", "logs"]
    assert not list(place.store.root.rglob("sealed-*"))


def test_what_is_left_is_told_at_once(disk, place):
    disk.left, disk.leaks = ("/left",), ("/copy.xml",)
    with pytest.raises(GuestError, match="2 claims do not hold") as caught:
        sysprep.seal(PLAN, installed(place), place)
    assert caught.value.details == (
        "leftovers: '/left' is still there",
        "'/copy.xml' holds a password of the answer file",
    )


def test_a_file_system_that_was_not_closed_is_refused(disk, place):
    disk.unclean = ("NTFS is marked as dirty",)
    with pytest.raises(GuestError) as caught:
        sysprep.seal(PLAN, installed(place), place)
    assert "found: NTFS is marked as dirty" in caught.value.details
    assert "mount_writable" not in disk.calls


def test_the_reason_is_that_of_the_logs_and_nobodys_password_is_in_it(disk, place):
    disk.tag, disk.log = None, f"It broke with {SECRET}.\n\x1b[31mred {SECRET}\n{'x' * 999}".encode()
    with pytest.raises(GuestError, match=r"^It broke with \(secret\)\.$") as caught:
        sysprep.seal(PLAN, installed(place), place)
    assert caught.value.details[:2] == ("found: the tag is missing", "It broke with (secret).")
    assert not any(SECRET in line or not line.isprintable() for line in caught.value.details)
    assert max(map(len, caught.value.details)) < 500


def test_a_disk_without_the_system_is_explained_by_its_logs_too(disk, place):
    disk.missing, disk.log = True, b"Setup stopped."
    with pytest.raises(GuestError, match=r"^Setup stopped\.$") as caught:
        sysprep.seal(PLAN, installed(place), place)
    assert caught.value.details == ("found: No such system.", "found: sda1: ntfs", "Setup stopped.")


def test_such_a_disk_is_verified_by_reading_it_once_more_and_never_booted(disk, place):
    sealed = sysprep.seal(PLAN, installed(place), place)
    disk.calls.clear()
    verified = verify.verify(PLAN, sealed, place)
    assert disk.calls == ["read-only", "mount"]
    assert [(result.name, result.passed) for result in verified.results] == [("The tag is there.", True)]
    assert verified.facts == (("state", "sealed"),)


@pytest.fixture
def watched(monkeypatch, place):
    """Return a function that installs, with what the watch raises, if anything."""
    monkeypatch.setattr(install, "require_space", lambda *_: None)
    monkeypatch.setattr(install.qemu_img, "create", lambda path, _size: path.write_text("disk"))

    def run(error=None):
        def watch(_self, _machine, _borne):
            if error:
                raise error

        monkeypatch.setattr(install._Installation, "_watch", watch)
        folder = place.store.root
        seed = tiny_plan.SeedMedia(folder=folder, digests=())
        return install.install(PLAN, tiny_plan.tiny_medium(folder), seed, place)

    return run


def test_an_install_ends_with_the_proof_on_the_disk(disk, watched):
    assert watched().path.exists()
    assert disk.calls == ["read-only", "mount"]


def test_a_power_off_without_proof_leaves_no_installed_disk(disk, watched, place):
    disk.tag = None
    with pytest.raises(GuestError, match="not sealed"):
        watched()
    assert not list(place.store.root.rglob("installed.qcow2*"))


def test_a_failure_that_was_watched_is_explained_by_the_logs(disk, watched):
    disk.log = b"A driver is missing."
    with pytest.raises(GuestError, match=r"^A driver is missing\.$") as caught:
        watched(GuestError("It waits at a dialog.", hint="Look.", details=["console: nothing"]))
    assert caught.value.hint == "Look."
    assert caught.value.details == ("seen: It waits at a dialog.", "A driver is missing.", "console: nothing")


def test_a_failure_that_the_logs_do_not_explain_is_told_as_it_was_seen(disk, watched):
    with pytest.raises(GuestError, match="It waits at a dialog"):
        watched(GuestError("It waits at a dialog."))
    with pytest.raises(HostError, match="No room"):
        watched(HostError("No room."))
    assert disk.calls == ["read-only", "logs"]


def test_logs_that_cannot_be_read_do_not_hide_the_failure(disk, watched, monkeypatch):
    def refuse(*_):
        raise HostError("No appliance.")

    monkeypatch.setattr(disk, "logs", refuse)
    with pytest.raises(GuestError, match="It waits") as caught:
        watched(GuestError("It waits at a dialog."))
    assert caught.value.details == ("The disk's logs could not be read: No appliance.",)


def test_how_a_disk_is_judged_is_part_of_the_seal_and_not_of_the_install():
    def other(facts: DiskFacts) -> Judgement:
        return judge(facts)

    later = replace(PLAN, unattended=replace(PLAN.unattended, sealing=replace(SEALING, judge=other)))
    assert PLAN.install_key("m") == later.install_key("m")
    assert PLAN.seal_key("k") != later.seal_key("k")
    assert PLAN.seal_key("k") == replace(PLAN, name="other").seal_key("k")
