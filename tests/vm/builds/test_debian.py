"""Debian 13 by the real debian-installer, from a medium made of Debian's packages to a verified golden image."""

import json
from pathlib import Path

import pytest

import long_builds

pytestmark = pytest.mark.vm


def test_debian_is_installed_sealed_verified_and_published():
    build = long_builds.succeeded("debian")
    manifest = json.loads(Path(build.image["manifest"]).read_text())
    assert manifest["medium"]["stand_in"] is False
    assert "Debian GNU/Linux 13" in manifest["medium"]["title"]
    assert [check["name"] for check in manifest["verified"] if not check["passed"]] == []
    assert manifest["sealed"]["package_format"] == "deb"
