"""`imgpipe doctor --deep` boots what it speaks of, and what it found is remembered."""

import json
import os
import subprocess
import sys

import pytest

from private_libvirt import lacking, private_libvirt

pytestmark = [pytest.mark.vm, pytest.mark.appliance, pytest.mark.skipif(bool(lacking()), reason=lacking())]

IMGPIPE = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")


def doctor(uri, data, *options):
    argv = [*IMGPIPE, "--connect", uri, "doctor", "--json", *options]
    env = {**os.environ, "IMGPIPE_HOME": str(data)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, timeout=1800, check=False)
    return {one["name"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_machine_and_an_appliance_boot_and_the_answer_is_remembered(tmp_path):
    data = tmp_path / "data"
    with private_libvirt() as host:
        before = doctor(host.uri, data)
        deep = doctor(host.uri, data, "--deep")
        after = doctor(host.uri, data)
    assert deep["libguestfs launch"]["state"] == "ok"
    assert "xfs" in deep["libguestfs launch"]["meaning"]
    assert "libguestfs launch" not in before
    if before["accelerator"]["state"] == "unknown":
        assert deep["accelerator"]["state"] in ("ok", "warn")
        assert after["accelerator"]["state"] == deep["accelerator"]["state"]
