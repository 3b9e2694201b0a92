"""`python -m tests.bench [build] [start] [deploy]`: prints a table in Markdown; needs an otherwise idle machine."""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import BIN
from tests.bench.deploy import deploy
from tests.bench.table import head, row

from imgpipe.settings import checkout

DATA = Path(os.environ.get("IMGPIPE_TEST_DATA", checkout() / "output" / "bench"))


def main() -> None:
    # So that machines are removed whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = sys.argv[1:] or ["start", "build", "deploy"]
    head()
    if "start" in wanted:
        start_up()
    if "build" in wanted:
        build()
    if "deploy" in wanted:
        deploy()


def start_up() -> None:
    """The time to say something at all, beside Python's own start."""
    bare = median([sys.executable, "-c", "pass"])
    for arguments in (["--help"], ["plan", "rocky9-4c2g15g"], ["plan", "ubuntu24.04"]):
        taken = median([BIN, *arguments])
        row(
            f"`imgpipe {' '.join(arguments)}`",
            f"{taken:.2f} s",
            f"{bare:.2f} s (python -c pass)",
            f"{taken / bare:.1f}",
        )


def median(argv: list[object], runs: int = 7) -> float:
    times = []
    for _ in range(runs):
        begun = time.monotonic()
        subprocess.run([str(word) for word in argv], check=True, capture_output=True)
        times.append(time.monotonic() - begun)
    return statistics.median(times)


def build() -> None:
    """A build of the demo against the same work by virt-install, virt-sysprep and qemu-img."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=DATA if DATA.is_dir() else None) as name:
        folder = Path(name)
        folder.chmod(0o755)
        events, total, memory = ours(folder)
        stages = {event["stage"]: event["seconds"] for event in events if event["event"] == "stage_finished"}
        work = next((DATA / "work").glob("*/seed.iso")).parent
        marks = by_hand(folder, work)
    same = stages["seed"] + stages["install"] + stages["sysprep"] + stages["publish"]
    peer = marks["published"] - marks["start"]
    row("install", f"{stages['install']:.1f} s", f"{marks['installed'] - marks['start']:.1f} s", "")
    row("sysprep", f"{stages['sysprep']:.1f} s", f"{marks['sealed'] - marks['installed']:.1f} s", "")
    row("compress, digest, publish", f"{stages['publish']:.1f} s", f"{marks['published'] - marks['sealed']:.1f} s", "")
    row("whole build without verify", f"{same:.1f} s", f"{peer:.1f} s", f"{same / peer:.2f}")
    row("verify (no peer does it)", f"{stages['verify']:.1f} s")
    row("outside of the stages", f"{total - sum(stages.values()):.1f} s")
    row("peak memory of imgpipe", f"{memory / 1024:.0f} MB")


def ours(folder: Path) -> tuple[list[dict[str, object]], float, int]:
    """Build with a medium that is made already; nothing else is kept from before."""
    env = {**os.environ, "IMGPIPE_HOME": str(DATA)}
    subprocess.run([BIN, "media", "make", "anaconda-stand-in"], env=env, check=True, capture_output=True)
    for kept in ("work", "images"):
        subprocess.run(["rm", "-rf", str(DATA / kept)], check=True)
    begun = time.monotonic()
    told = subprocess.run([BIN, "build", "demo", "--json"], env=env, check=True, capture_output=True, text=True).stdout
    total = time.monotonic() - begun
    # Its children are qemu-img and the appliance's worker; QEMU itself belongs to libvirt.
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return [json.loads(line) for line in told.splitlines()], total, memory


def by_hand(folder: Path, work: Path) -> dict[str, float]:
    """Run the peer on the very same medium, seed, kernel and arguments; return the times of its steps."""
    accelerator = json.loads((work / "install.json").read_text())["accelerator"]
    medium = next((DATA / "cache" / "made").glob("anaconda-stand-in-*.iso"))
    arguments = subprocess.run(
        ["grep", "-oP", "(?<=<cmdline>).*(?=</cmdline>)", work / "domain.xml"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    env = {**os.environ, "LIBGUESTFS_BACKEND": "direct"}
    if accelerator == "tcg":
        env["LIBGUESTFS_BACKEND_SETTINGS"] = "force_tcg"
    peer = [Path(__file__).with_name("peer.sh"), folder, medium, work / "seed.iso", work / "kernel", work / "initrd"]
    virt_type = "kvm" if accelerator == "kvm" else "qemu"
    done = subprocess.run([*map(str, peer), arguments, virt_type], env=env, check=True, capture_output=True, text=True)
    return {name: float(when) for name, when in (line.split() for line in done.stdout.splitlines())}


if __name__ == "__main__":
    main()
