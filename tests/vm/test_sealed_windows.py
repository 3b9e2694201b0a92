"""Windows that sealed itself: believed, refused, cleaned, verified and cloned, on disks that libguestfs made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import sealed_windows
from sealing import Proof, installed, plan, workplace

from imgpipe.adapters import qemu_img
from imgpipe.adapters.batch_guest import Refused, inject
from imgpipe.adapters.guest import guestfs_python
from imgpipe.adapters.volume import open_volume_disk
from imgpipe.artifacts import SealedDisk, VerifiedDisk
from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.errors import GuestError
from imgpipe.os_family import AnswerFile, OsFamily, Personalise, Seed
from imgpipe.self_sealing import Judgement, SelfSealing, SystemVolume
from imgpipe.stages import self_sealed
from imgpipe.stages.sysprep import seal
from imgpipe.stages.verify import verify
from imgpipe_windows.answer.password import ADMINISTRATOR, encoded
from imgpipe_windows.clones import PANTHER_FILE, personalise_files
from imgpipe_windows.leftovers import operations
from imgpipe_windows.proof import MARKER, SEALING, SOFTWARE, VOLUME

pytestmark = pytest.mark.appliance

CLONES = ("web-01", "web-02")
LOGS = ("/windows/system32/sysprep/panther/setupact.log", "/WINDOWS/Panther/SETUPACT.log")
SECRETS = (sealed_windows.PASSWORD, sealed_windows.ENCODED, sealed_windows.PRODUCT_KEY)
_PLAN = plan("", Proof(console="imgpipe: sysprep", failure="", file="", content=""), operations())
PLAN = replace(
    _PLAN,
    family="windows",
    answer_kind="unattend",
    unattended=replace(
        _PLAN.unattended,
        seed=Seed(files=(AnswerFile(name="autounattend.xml", text=sealed_windows.ANSWER_FILE),)),
        sealing=SEALING,
        personalise=Personalise(way="unattend", network="none", volume=VOLUME),
    ),
)
FAMILY = OsFamily(
    name="windows",
    answer_kind="unattend",
    systems=(),
    prepare=lambda _order: PLAN.unattended,
    lint=lambda _text, _system, _firmware: (),
    personalise_files=personalise_files,
)


def of(fault: str) -> SelfSealing:
    """Return how the partition with this fault is judged: it is the only one that holds a file of its name."""
    return replace(SEALING, volume=SystemVolume(holds=(SOFTWARE, f"/{fault}")))


def identity(name: str) -> Identity:
    nic = WantedNic(
        kind="bridge",
        source="br1",
        mac="52:54:00:00:00:01",
        address=IPv4Interface("192.0.2.10/24"),
        gateway=IPv4Address("192.0.2.1"),
    )
    return Identity(hostname=f"{name}.example.org", nics=(nic,), password="Clone-pass-1")


@dataclass(frozen=True)
class Made:
    """The disks, what was judged of each broken one, and the good one sealed and verified."""

    folder: Path
    judged: dict[str, Judgement]
    sealed: SealedDisk
    verified: VerifiedDisk


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("windows")
    sealed_windows.make_disks(folder, guestfs_python())
    judged = {}
    with open_volume_disk(folder / "broken.qcow2", accelerator="tcg", read_only=True) as guest:
        for fault in sealed_windows.BROKEN:
            unclean = guest.mount(of(fault).volume)
            judged[fault] = SEALING.judge(guest.facts(SEALING.files, SEALING.registry, unclean))
    place = workplace(folder / "store", [])
    sealed = seal(PLAN, installed(folder / "good.qcow2", "good"), place)
    return Made(folder=folder, judged=judged, sealed=sealed, verified=verify(PLAN, sealed, place))


def test_the_good_disk_is_sealed_with_its_proof(made):
    state = made.sealed.state
    assert (state.product, state.version) == ("Windows Server 2016 Standard", "14393")
    assert dict(state.generalized) == {
        "image state": "IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE",
        "system": "win2016",
        "exit codes": "balloon 0, viorng 259, qemu-ga 3010",
    }
    assert "Sysprep left its tag of success." in state.asserted
    assert "No password of the answer files is where they leave copies." in state.asserted


def test_a_sealed_disk_is_verified_without_a_boot(made):
    assert made.verified.facts == made.sealed.state.generalized
    assert {result.passed for result in made.verified.results} == {True}
    assert "NTFS is clean, and Windows is not hibernated." in {result.name for result in made.verified.results}


@pytest.mark.parametrize(
    ("fault", "sign"),
    [
        ("no-tag", "'Sysprep_succeeded.tag' is missing"),
        ("undeployable", "'IMAGE_STATE_UNDEPLOYABLE': a phase of its setup"),
        ("no-marker", r"'C:\imgpipe\sealed.json' is missing"),
        ("driver", "the driver 'balloon' failed with exit code 2"),
        ("logon", "'DefaultPassword'"),
        ("dirty", "NTFS is marked as dirty"),
        ("hibernated", "Windows is hibernated"),
    ],
)
def test_each_broken_disk_is_refused_for_what_is_wrong_with_it(made, fault, sign):
    faults = made.judged[fault].faults
    assert [one for one in faults if sign in one]
    assert len(faults) == (2 if fault == "undeployable" else 1)
    assert not any(secret in str(made.judged[fault]) for secret in SECRETS)


def test_a_failure_is_explained_by_the_logs_without_any_secret(made):
    log = made.folder / "appliance.log"
    with pytest.raises(GuestError, match="the app package 'Microsoft.Edge_1.0_x64' is installed for a user") as caught:
        self_sealed.judged(PLAN, of("no-tag"), made.folder / "broken.qcow2", "tcg", log)
    told = (str(caught.value), caught.value.hint, *caught.value.details)
    assert "found: Sysprep did not succeed: 'Sysprep_succeeded.tag' is missing" in told
    assert any("SYSPRP Package Microsoft.Edge" in line for line in told)
    assert any("stop error 0x0000007b (INACCESSIBLE_BOOT_DEVICE) with 0x1, 0x2, 0x3, 0x4" in line for line in told)
    for secret in SECRETS:
        assert not any(secret in line for line in told)
        assert secret not in log.read_text(errors="replace")
    assert all(line.isprintable() for line in told)


@dataclass(frozen=True)
class Cloned:
    """What was refused, and the files of each disk afterwards."""

    refused: tuple[Refused, ...]
    files: dict[str, dict[str, bytes | None]]
    unclean: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def cloned(made: Made) -> Cloned:
    disks = {name: made.folder / f"{name}.qcow2" for name in CLONES}
    for disk in disks.values():
        qemu_img.create_overlay(disk, backing=made.sealed.path)
    # Many systems are as bad as none.
    disks["several"] = made.folder / "several.qcow2"
    qemu_img.create_overlay(disks["several"], backing=made.folder / "broken.qcow2")
    wanted = PLAN.unattended.personalise
    steps = {name: FAMILY.personalise_files(identity(name), wanted) for name in disks}
    order = (CLONES[0], "several", CLONES[1])
    refused = inject([(disks[name], steps[name]) for name in order], "tcg", volume=wanted.volume)
    files, unclean = {}, {}
    for name in CLONES:
        with open_volume_disk(disks[name], accelerator="tcg", read_only=True) as guest:
            unclean[name] = guest.mount(VOLUME)
            kept = (PANTHER_FILE, MARKER, "/users/administrator/KEPT.txt", *LOGS)
            files[name] = {path: guest.read(path) for path in (*kept, "/pagefile.sys", "/imgpipe/sysprep.xml")}
    return Cloned(refused=refused, files=files, unclean=unclean)


def test_one_launch_gives_many_clones_their_own_answer_file(cloned):
    assert [(one.path.stem, one.reason) for one in cloned.refused] == [
        ("several", f"The disk holds {len(sealed_windows.BROKEN)} systems of the kind that was installed.")
    ]
    names = {}
    for name in CLONES:
        root = ET.fromstring(cloned.files[name][PANTHER_FILE])
        names[name] = root.findtext(".//{*}ComputerName")
        assert root.findtext(".//{*}AdministratorPassword/{*}Value") == encoded("Clone-pass-1", ADMINISTRATOR)
    assert names == {"web-01": "WEB-01", "web-02": "WEB-02"}


def test_a_clones_file_system_is_clean_and_holds_what_was_sealed(cloned):
    for name in CLONES:
        assert cloned.unclean[name] == ()
        assert cloned.files[name]["/users/administrator/KEPT.txt"] == b"kept\r\n"
        assert cloned.files[name][MARKER].startswith(b'{"imgpipe": 1')
        assert (cloned.files[name]["/pagefile.sys"], cloned.files[name]["/imgpipe/sysprep.xml"]) == (None, None)


def test_a_log_is_read_whatever_case_its_path_is_asked_in(cloned):
    assert [cloned.files["web-01"][path] is not None for path in LOGS] == [True, True]


def test_no_password_of_the_template_is_on_a_clone(made, cloned):
    for content in (content for files in cloned.files.values() for content in files.values() if content):
        for secret in SECRETS:
            assert secret.encode() not in content
            assert secret.encode("utf-16-le") not in content


def test_the_logs_of_a_disk_without_windows_explain_nothing(tmp_path):
    empty = tmp_path / "empty.qcow2"
    qemu_img.create(empty, 2**26)
    told = self_sealed.why(PLAN, SEALING, empty, "tcg", tmp_path / "log")
    assert (told.reason, told.lines) == ("", ())
