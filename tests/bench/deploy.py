"""Deploying many machines, against the peers and against the least that such machines can cost."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench import BIN, guestfs_environment, hypervisor
from tests.bench.kcli import Kcli
from tests.bench.table import row

from imgpipe.images.catalog import newest
from imgpipe.settings import checkout
from imgpipe.store import Store

IMAGE = os.environ.get("IMGPIPE_BENCH_IMAGE", "demo")
DATA = Path(os.environ.get("IMGPIPE_HOME") or checkout() / "output")
PREFIX = "imgpipe-bench"
COUNT = 50
BY_HAND = 3
DEFINE_ONLY = (10, 50, 100, 250, 500)
RUNS = 3

PAUSED = ("--paused", "--no-wait")
OFF = ("--no-start", "--no-wait")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A deploy: seconds from the command's start to its end, and the most memory it had (bytes)."""

    seconds: float
    memory: int


def run() -> None:
    image = newest(Store(DATA), IMAGE)
    if image is None:
        row(f"deploy of '{IMAGE}'", f"no such image in '{DATA}': run 'imgpipe build {IMAGE}' first")
        return
    _started(image.disk)
    _defined_only(image.disk)
    _growth()


def _started(golden: Path) -> None:
    """Compare defined, personalised and started: our deploy, the floor, and by hand."""
    ours, floor, xml = [], [], ""
    for number in range(RUNS):
        with _cleaned(f"{PREFIX}-{number}") as prefix:
            ours.append(_deploy(prefix, COUNT, PAUSED))
            xml = hypervisor.definition(hypervisor.connect(), _first(prefix))
        with _cleaned(f"{PREFIX}-floor{number}") as prefix:
            floor.append(hypervisor.floor(xml, golden, prefix, COUNT, start=True))
    best = statistics.median(run.seconds for run in ours)
    _compare(f"{COUNT} linked clones, started paused; peer: bare qemu-img and libvirt, no identity", best, floor)
    with _cleaned(f"{PREFIX}-hand") as prefix:
        marks = _by_hand(xml, golden, prefix)
    for step, seconds in marks.items():
        row(f"one clone by hand: {step}", "", f"{seconds:.1f} s")
    _compare(
        f"{COUNT} clones, started paused; peer: virt-clone, virt-sysprep, virt-customize, extrapolated from {BY_HAND}",
        best,
        [sum(marks.values()) * COUNT],
    )


def _defined_only(golden: Path) -> None:
    """Compare defined and personalised: our deploy and kcli's, the disk that they take too."""
    with tempfile.TemporaryDirectory(prefix="imgpipe-bench-", dir=DATA) as name:
        folder = Path(name)
        folder.chmod(0o755)
        peer = Kcli(folder, golden)
        usable = peer.prepare()
        ours, theirs, disk, their_disk = [], [], 0, 0
        try:
            for number in range(RUNS):
                with _cleaned(f"{PREFIX}-off{number}") as prefix:
                    ours.append(_deploy(prefix, COUNT, OFF).seconds)
                    disk = hypervisor.disk_use(prefix)
                if usable:
                    with _cleaned(f"{PREFIX}-kcli{number}") as prefix:
                        theirs.append(peer.create(prefix, COUNT))
                        their_disk = hypervisor.disk_use(prefix)
        finally:
            peer.remove()
    best = statistics.median(ours)
    what = f"{COUNT} linked clones, defined only"
    if theirs:
        _compare(f"{what}; peer: kcli", best, theirs)
    else:
        row(what, f"{best:.2f} s", f"kcli cannot be had here: {peer.why_not}")
    per_clone = f"{their_disk / COUNT / 1024:.0f} KiB" if theirs else ""
    row("disk per clone before its first boot", f"{disk / COUNT / 1024:.0f} KiB", per_clone)


def _growth() -> None:
    """Show that cost and memory do not grow with the number of clones."""
    runs = {}
    for count in DEFINE_ONLY:
        with _cleaned(f"{PREFIX}-n{count}") as prefix:
            runs[count] = _deploy(prefix, count, OFF)
        each = runs[count].seconds / count * 1000
        row(f"define only, {count} clones: per clone", f"{each:.1f} ms ({runs[count].seconds:.2f} s in all)")
    low, high = runs[DEFINE_ONLY[0]], runs[DEFINE_ONLY[-1]]
    added = (high.seconds - low.seconds) / (DEFINE_ONLY[-1] - DEFINE_ONLY[0]) * 1000
    row(f"each clone after the first {DEFINE_ONLY[0]}", f"{added:.1f} ms")
    row(
        f"peak memory of imgpipe, {DEFINE_ONLY[0]} and {DEFINE_ONLY[-1]} clones",
        f"{low.memory / 2**20:.0f} and {high.memory / 2**20:.0f} MiB",
        "",
        f"{high.memory / low.memory:.2f}",
    )


def _deploy(prefix: str, count: int, how: Sequence[str]) -> Run:
    argv = [str(BIN), "--connect", hypervisor.URI, "deploy", IMAGE, "--name", prefix, "--count", str(count)]
    argv += [*how, "--yes", "--json"]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as told:
        child = subprocess.Popen(argv, stdout=told, stderr=told, env={**os.environ, "IMGPIPE_HOME": str(DATA)})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        taken = time.monotonic() - begun
        if child.returncode:
            told.seek(0)
            raise SystemExit(told.read().decode(errors="replace"))
    return Run(seconds=taken, memory=usage.ru_maxrss * 1024)


def _first(prefix: str) -> str:
    return min(domain.name() for domain in hypervisor.connect().listAllDomains() if domain.name().startswith(prefix))


def _by_hand(xml: str, golden: Path, prefix: str) -> dict[str, float]:
    """Return the seconds of each step for one clone, the mean of a few."""
    folder = hypervisor.disk_of(xml).parent
    disk = folder / f"{prefix}-source.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", golden, disk], check=True)
    hypervisor.connect().defineXML(hypervisor.another(xml, f"{prefix}-source", disk))
    script = Path(__file__).with_name("virt_clone.sh")
    argv = [script, f"{prefix}-source", prefix, str(BY_HAND), folder, hypervisor.URI]
    env = guestfs_environment(_accelerator())
    done = subprocess.run(list(map(str, argv)), env=env, check=True, stdout=subprocess.PIPE, text=True)
    marks = [(name, float(when)) for name, when in (line.split() for line in done.stdout.splitlines())]
    steps: dict[str, float] = {}
    for (_, before), (name, when) in pairwise(marks):
        steps[name] = steps.get(name, 0.0) + (when - before) / BY_HAND
    return steps


def _accelerator() -> str:
    """Return what imgpipe itself found out about this host."""
    try:
        known = json.loads((DATA / "cache" / "accelerator.json").read_text()).values()
    except (OSError, ValueError):
        known = ()
    return os.environ.get("IMGPIPE_ACCELERATOR") or next(iter(known), "kvm")


def _compare(what: str, ours: float, peer: Sequence[float]) -> None:
    theirs = statistics.median(peer)
    faster = theirs >= ours
    ratio = f"{theirs / ours:.1f} times faster" if faster else f"{ours / theirs:.2f} times as long"
    row(what, f"{ours:.2f} s", f"{theirs:.2f} s", ratio)


@contextmanager
def _cleaned(prefix: str) -> Iterator[str]:
    """Yield a prefix of machines' names, and remove them afterwards."""
    try:
        yield prefix
    finally:
        hypervisor.remove(prefix)
