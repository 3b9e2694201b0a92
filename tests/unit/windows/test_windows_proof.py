"""What the facts of a disk prove, and what speaks against it."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from imgpipe.self_sealing import DiskFacts
from imgpipe_windows.proof import (
    ANSWER_FILE,
    BUILD,
    GENERALIZED,
    IMAGE_STATE,
    LOGON_PASSWORD,
    MARKER,
    PRODUCT,
    SEALING,
    SEALING_FOR_CDS,
    SECRET_PLACES,
    STATE,
    TAG,
    judge,
    judge_for_cds,
)

DONE = {
    "imgpipe": 1,
    "system": "win2016",
    "drivers": [{"name": "balloon", "exit": 0}, {"name": "viorng", "exit": 259}],
    "steps": [{"name": "qemu-ga", "exit": 3010}],
}
GOOD = DiskFacts(
    files={TAG: b"", STATE: f"[State]\r\nImageState={GENERALIZED}\r\n".encode(), MARKER: json.dumps(DONE).encode()},
    registry={
        IMAGE_STATE: GENERALIZED,
        PRODUCT: "Windows Server 2016 Standard",
        BUILD: "14393",
        LOGON_PASSWORD: None,
        ANSWER_FILE: None,
    },
)


class Declared(dict):
    """Facts of which a judge may only ask what its SelfSealing has read: asking for another is a fault."""

    def __init__(self, values, names):
        super().__init__((name, values.get(name)) for name in names)
        self.asked = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return self[name]


def with_file(path, content):
    return replace(GOOD, files={**GOOD.files, path: content})


def with_value(value, text):
    return replace(GOOD, registry={**GOOD.registry, value: text})


def marked(**changes):
    return with_file(MARKER, json.dumps(DONE | changes).encode())


def test_a_system_with_every_proof_is_sealed():
    found = judge(GOOD)
    assert found.faults == ()
    assert (found.product, found.version) == ("Windows Server 2016 Standard", "14393")
    assert dict(found.state)["exit codes"] == "balloon 0, viorng 259, qemu-ga 3010"
    assert all(sentence.endswith(".") for sentence in found.asserted)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_state_ini_is_read_in_any_coding(coding):
    text = f'[State]\r\nimagestate = "{GENERALIZED}"\r\n'
    assert judge(with_file(STATE, text.encode(coding))).faults == ()


@pytest.mark.parametrize(
    ("facts", "sign"),
    [
        (with_file(TAG, None), "'Sysprep_succeeded.tag' is missing"),
        (with_file(STATE, None), "State.ini does not say"),
        (with_file(STATE, b"[State]\r\nImageState=IMAGE_STATE_COMPLETE\r\n"), "State.ini says 'IMAGE_STATE_COMPLETE'"),
        (with_value(IMAGE_STATE, None), "the registry does not say"),
        (with_value(IMAGE_STATE, "IMAGE_STATE_UNDEPLOYABLE"), "failed or was interrupted"),
        (with_value(IMAGE_STATE, "IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE"), "without '/generalize'"),
        (with_value(IMAGE_STATE, "\x1b[31mnonsense"), "the registry says '[31mnonsense'"),
        (with_value(LOGON_PASSWORD, "hunter22"), "'DefaultPassword'"),
        (with_value(ANSWER_FILE, r"E:\autounattend.xml"), r"read instead of theirs: 'E:\autounattend.xml'"),
        (with_file(MARKER, None), "did not get to its end"),
        (with_file(MARKER, b"{"), "cannot be read"),
        (with_file(MARKER, b"[]"), "cannot be read"),
        (marked(imgpipe=2), "cannot be read: imgpipe"),
        (marked(drivers=[]), "cannot be read: drivers"),
        (marked(drivers=[{"name": "balloon"}]), "cannot be read: drivers.0.exit"),
        (marked(drivers=[{"name": "balloon", "exit": 2}]), "the driver 'balloon' failed with exit code 2"),
        (marked(steps=[{"name": "qemu-ga", "exit": 1603}]), "the step 'qemu-ga' failed with exit code 1603"),
        (marked(steps=[{"name": "qemu-ga", "exit": 259}]), "the step 'qemu-ga' failed with exit code 259"),
        (replace(GOOD, unclean=("NTFS is marked as dirty",)), "NTFS is marked as dirty"),
    ],
)
def test_each_missing_proof_is_one_fault_that_says_so(facts, sign):
    found = judge(facts)
    assert len(found.faults) == 1
    assert sign in found.faults[0]
    assert (found.asserted, found.state) == ((), ())


def test_all_that_is_wrong_is_told_at_once():
    nothing = DiskFacts(files={}, registry={}, unclean=("it is hibernated",))
    assert len(judge(nothing).faults) == 5


def test_the_password_for_automatic_logons_is_never_shown():
    assert "hunter22" not in str(judge(with_value(LOGON_PASSWORD, "hunter22")))


def test_the_answer_file_in_panther_may_be_named_in_the_registry():
    assert judge(with_value(ANSWER_FILE, r"C:\WINDOWS\Panther\unattend.xml")).faults == ()


def test_clones_with_a_cd_need_a_registry_that_names_no_answer_file_at_all():
    assert judge_for_cds(GOOD) == judge(GOOD)
    found = judge_for_cds(with_value(ANSWER_FILE, r"C:\WINDOWS\Panther\unattend.xml"))
    (fault,) = found.faults
    assert "look for before their CD" in fault
    assert (found.asserted, found.state, found.version) == ((), (), "")
    elsewhere = with_value(ANSWER_FILE, r"E:\autounattend.xml")
    assert judge_for_cds(elsewhere) == judge(elsewhere)


def test_what_else_is_wrong_with_a_template_is_told_beside_the_registrys_answer_file():
    facts = with_value(ANSWER_FILE, r"C:\WINDOWS\Panther\unattend.xml")
    assert len(judge_for_cds(replace(facts, files={**facts.files, TAG: None})).faults) == 2


def test_a_marker_with_a_byte_order_mark_and_a_blank_from_echo_is_read():
    content = b"\xef\xbb\xbf" + json.dumps(DONE).encode() + b" \r\n"
    assert judge(with_file(MARKER, content)).faults == ()


@pytest.mark.parametrize("sealing", [SEALING, SEALING_FOR_CDS], ids=["panther", "cd"])
def test_what_is_judged_is_what_is_read(sealing):
    files, registry = Declared(GOOD.files, sealing.files), Declared(GOOD.registry, sealing.registry)
    assert sealing.judge(DiskFacts(files=files, registry=registry)).faults == ()
    assert files.asked == set(sealing.files)
    assert registry.asked == set(sealing.registry)
    assert {LOGON_PASSWORD, ANSWER_FILE} <= registry.asked


def test_the_registrys_values_are_where_windows_has_them():
    """As in Microsoft's reference of UnattendFile and of automatic logons."""
    assert (ANSWER_FILE.hive, ANSWER_FILE.key, ANSWER_FILE.name) == (
        "/Windows/System32/config/SYSTEM",
        "Setup",
        "UnattendFile",
    )
    assert (LOGON_PASSWORD.hive, LOGON_PASSWORD.key, LOGON_PASSWORD.name) == (
        "/Windows/System32/config/SOFTWARE",
        r"Microsoft\Windows NT\CurrentVersion\Winlogon",
        "DefaultPassword",
    )


# Where Setup looks for answer files and keeps them, and where the first-logon scripts and cloudbase-init write.
KEPT_BY_WINDOWS = (
    *("/unattend.xml", "/Autounattend.xml", "/imgpipe/first-logon.log", "/Windows/Panther/unattend.xml"),
    *("/Windows/Panther/Unattend/unattend.xml", "/Windows/Panther/UnattendGC/setupact.log"),
    *("/Windows/Setup/Scripts/SetupComplete.cmd", "/Windows/System32/Sysprep/unattend.xml"),
    *("/Windows/System32/Sysprep/Panther/setupact.log", "/Windows/Temp/x.log"),
    *("/Users/Administrator/AppData/Local/Temp/x.ps1",),
    *("/Program Files/Cloudbase Solutions/Cloudbase-Init/conf/Unattend.xml",),
)


def reached(path, patterns):
    parts = path.lower().split("/")
    return any(
        len(pattern.split("/")) == len(parts) and all(map(fnmatchcase, parts, pattern.lower().split("/")))
        for pattern in patterns
    )


@pytest.mark.parametrize("path", KEPT_BY_WINDOWS)
@pytest.mark.parametrize("sealing", [SEALING, SEALING_FOR_CDS], ids=["panther", "cd"])
def test_every_place_where_windows_keeps_answers_is_searched(sealing, path):
    assert reached(path, sealing.secret_places)


@pytest.mark.parametrize("pattern", SECRET_PLACES)
def test_no_place_can_go(pattern):
    others = [other for other in SECRET_PLACES if other != pattern]
    assert [path for path in KEPT_BY_WINDOWS if not reached(path, others)]
