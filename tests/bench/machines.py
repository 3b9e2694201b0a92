"""Listing few machines and many, on a libvirt daemon of its own: what one costs must not grow with their number."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tests.bench import BIN
from tests.bench.table import row

from imgpipe.adapters.hypervisor import Hypervisor, connect
from imgpipe.adapters.machines import Machines
from imgpipe.deploy import metadata
from imgpipe.deploy.existing import MachineRecord
from imgpipe.domain_spec import stable_mac
from private_libvirt import PrivateLibvirt, lacking, private_libvirt

FEW, MANY = 500, 4000
RUNS = 3
_XML = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><metadata>{record}</metadata>
<memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type></os><devices>
<disk type='file' device='disk'>
<driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/></disk>
<interface type='user'><mac address='{mac}'/></interface></devices></domain>"""


def run() -> None:
    if why := lacking():
        row("`imgpipe machines list`", why)
        return
    for recorded in (True, False):
        whose = "" if recorded else ", defined by an earlier version"
        with private_libvirt() as daemon, tempfile.TemporaryDirectory() as home:
            hypervisor = connect(f"qemu:///system?socket={daemon.socket}", print)
            few = _listed(daemon, hypervisor, 0, FEW, recorded=recorded)
            few_cli = _command(daemon, Path(home))
            many = _listed(daemon, hypervisor, FEW, MANY, recorded=recorded)
            many_cli = _command(daemon, Path(home))
            hypervisor.close()
        _compare(f"a machine of {MANY}, asked of libvirt{whose}; peer: a machine of {FEW}", many, few)
        _compare(f"the same by `imgpipe machines list`{whose}", many_cli, few_cli)


def _compare(what: str, many: float, few: float) -> None:
    ours, peer = many / MANY, few / FEW
    row(what, f"{ours * 1000:.2f} ms", f"{peer * 1000:.2f} ms", f"{ours / peer:.2f}")


def _listed(daemon: PrivateLibvirt, hypervisor: Hypervisor, first: int, count: int, *, recorded: bool) -> float:
    """Define machines up to `count`, and return the seconds that a list of all takes."""
    folder = daemon.folder / "disks"
    folder.mkdir(exist_ok=True)
    empty = folder / "empty"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", empty, "64M"], check=True)
    for number in range(first, count):
        _define(hypervisor, folder, f"web-{number}", empty, recorded=recorded)
    machines = Machines(hypervisor)
    return statistics.median(_seconds(machines) for _ in range(RUNS))


def _define(hypervisor: Hypervisor, folder: Path, name: str, empty: Path, *, recorded: bool) -> None:
    known = str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    disk = folder / f"{name}.qcow2"
    if not disk.exists():
        shutil.copyfile(empty, disk)
    record = MachineRecord(
        fleet="web", group="web", template="tiny@20260301.1", linked=True, identity="a" * 16, hostname=name,
        addresses=(), pool="imgpipe", disk=disk.name, uuid=known if recorded else "",
    )  # fmt: skip
    told = metadata.to_xml(record)
    xml = _XML.format(name=name, uuid=known, record=told, disk=disk, mac=stable_mac(name, "0"))
    hypervisor.connection.defineXML(xml)


def _seconds(machines: Machines) -> float:
    begun = time.monotonic()
    machines.list()
    return time.monotonic() - begun


def _command(daemon: PrivateLibvirt, home: Path) -> float:
    argv = [str(BIN), "--connect", f"qemu:///system?socket={daemon.socket}", "machines", "list"]
    times = []
    for _ in range(RUNS):
        begun = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True, env={**os.environ, "IMGPIPE_HOME": str(home)})
        times.append(time.monotonic() - begun)
    return statistics.median(times)
