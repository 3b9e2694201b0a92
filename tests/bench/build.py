"""A build of the demo against the same work by virt-install and by Packer, on the same medium, seed and kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.bench import BIN, guestfs_environment
from tests.bench.table import row

from imgpipe.adapters.hypervisor import connect
from imgpipe.settings import checkout

DATA = Path(os.environ.get("IMGPIPE_TEST_DATA", checkout() / "output" / "bench"))
PEERS = {"virt-install": "virt_install.sh", "packer": "packer.sh"}
STEPS = (("install", "start", "installed"), ("sysprep", "installed", "sealed"), ("publish", "sealed", "published"))


def run() -> None:
    events, total, memory = _ours()
    stages = {event["stage"]: event["seconds"] for event in events if event["event"] == "stage_finished"}
    work = next((DATA / "work").glob("*/seed.iso")).parent
    same = stages["seed"] + stages["install"] + stages["sysprep"] + stages["publish"]
    row("verify (no peer does it)", f"{stages['verify']:.1f} s")
    row("outside of the stages", f"{total - sum(stages.values()):.1f} s")
    row("peak memory of imgpipe", f"{memory:.0f} MB")
    with closing(connect("qemu:///system", print)) as hypervisor:
        # The peers start no daemon, and where imgpipe does, it ends when nobody uses it.
        hypervisor.hold_log_daemon()
        _compare(stages, work, same)


def _compare(stages: dict[str, float], work: Path, same: float) -> None:
    for peer, script in PEERS.items():
        if not shutil.which(peer):
            row(f"whole build without verify, against {peer}", f"{same:.1f} s", "not installed")
            continue
        marks = _peer(script, work)
        for stage, begun, ended in STEPS:
            row(f"{stage}, against {peer}", f"{stages[stage]:.1f} s", f"{marks[ended] - marks[begun]:.1f} s")
        whole = marks["published"] - marks["start"]
        row(f"whole build without verify, against {peer}", f"{same:.1f} s", f"{whole:.1f} s", f"{same / whole:.2f}")


def _ours() -> tuple[list[dict[str, Any]], float, float]:
    """Build with a medium that is made already; nothing else is kept from before."""
    env = {**os.environ, "IMGPIPE_HOME": str(DATA)}
    subprocess.run([BIN, "media", "make", "anaconda-stand-in"], env=env, check=True, capture_output=True)
    for kept in ("work", "images"):
        shutil.rmtree(DATA / kept, ignore_errors=True)
    begun = time.monotonic()
    process = subprocess.Popen([BIN, "build", "demo", "--json"], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told, memory = [], 0.0
    for line in process.stdout:
        told.append(json.loads(line))
        memory = max(memory, _peak_megabytes(process.pid))
    assert process.wait() == 0
    return told, time.monotonic() - begun, memory


def _peak_megabytes(pid: int) -> float:
    """Return the most memory that the process itself had; its children are QEMU's tools, which a peer has as well."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak[0]) / 1024 if peak else 0.0


def _peer(script: str, work: Path) -> dict[str, float]:
    """Run a peer on the very same inputs; return the times of its steps."""
    accelerator = json.loads((work / "install.json").read_text())["accelerator"]
    medium = next((DATA / "cache" / "made").glob("anaconda-stand-in-*.iso"))
    arguments = ElementTree.parse(work / "domain.xml").findtext("os/cmdline") or ""
    env = guestfs_environment(accelerator)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=DATA) as name:
        Path(name).chmod(0o755)
        inputs = [name, medium, work / "seed.iso", work / "kernel", work / "initrd", arguments, accelerator]
        command = [Path(__file__).with_name(script), *inputs]
        done = subprocess.run([*map(str, command)], env=env, check=True, stdout=subprocess.PIPE, text=True)
    return {name: float(when) for name, when in (line.split() for line in done.stdout.splitlines())}
