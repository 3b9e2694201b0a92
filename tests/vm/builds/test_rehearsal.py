"""Rocky's recipes, kickstart and machine, on the stand-in medium; nothing here is Rocky."""

import json
from pathlib import Path

import pytest

import long_builds
from command import Command

pytestmark = pytest.mark.vm


def facts_of(build):
    manifest = json.loads(Path(build.image["manifest"]).read_text())
    assert manifest["medium"]["stand_in"] is True
    checks = manifest["verified"]
    assert [check["name"] for check in checks if not check["passed"]] == []
    return {check["name"] for check in checks}


def test_the_runbooks_rocky_goes_from_medium_to_golden_image():
    build = long_builds.succeeded("rocky")
    assert build.image["name"] == "rocky9-4c2g15g"
    checked = facts_of(build)
    assert {"there is a NIC eth0", "there is a NIC eth1", "the time zone is Asia/Shanghai"} <= checked
    assert any("stand-in" in note["text"] for note in build.named("note"))


def test_lvm_static_addresses_and_a_user_arrive_by_uefi_too():
    build = long_builds.succeeded("static-lvm")
    checked = facts_of(build)
    assert "there is a user ops" in checked
    assert any(name.endswith(", lvm") for name in checked)


def test_a_stand_in_is_never_taken_for_the_system_itself(data, stand_in):
    refused = Command(data, "build", "rocky9", "--media", str(stand_in), "--json")
    assert refused.wait() == 2
    assert "which is not 'rocky9'" in refused.stderr
    assert refused.named("stage_started") == []
