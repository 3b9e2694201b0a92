"""Real Windows, for whoever has its medium: `IMGPIPE_WINDOWS_ISO=... IMGPIPE_VIRTIO_ISO=... tests/run windows`."""

import json
import os
from pathlib import Path

import pytest

from command import Command

pytestmark = pytest.mark.vm

WINDOWS, VIRTIO = (os.environ.get(name, "") for name in ("IMGPIPE_WINDOWS_ISO", "IMGPIPE_VIRTIO_ISO"))
RECIPE = os.environ.get("IMGPIPE_WINDOWS_RECIPE", "win2016")
PASSWORD = "Correct-Horse-1"


@pytest.mark.skipif(not (WINDOWS and VIRTIO), reason="IMGPIPE_WINDOWS_ISO and IMGPIPE_VIRTIO_ISO are not set")
def test_real_windows_is_installed_sealed_and_published(tmp_path):
    build = Command(
        tmp_path,
        *("build", RECIPE, "--json", "--media", WINDOWS, "--media", f"virtio={VIRTIO}"),
        env={"IMGPIPE_ROOT_PASSWORD": PASSWORD},
    ).succeed()
    text = Path(build.image["manifest"]).read_text()
    manifest = json.loads(text)
    assert manifest["medium"]["stand_in"] is False
    assert manifest["medium"]["file"] == Path(WINDOWS).name
    assert manifest["further_media"]["virtio"]["file"] == Path(VIRTIO).name
    assert PASSWORD not in text
