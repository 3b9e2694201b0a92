"""What the tests do on the host that enforces SELinux; it tells a line of JSON for each step on a virtio-serial port.

Nothing is judged here: the tests, on the other side of the port, do that.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

from audit_log import AuditLog, type_of

PORT = Path("/dev/virtio-ports/org.imgpipe.ring.0")
URI = "qemu:///system"
DATA = Path("/var/lib/imgpipe")
MEDIUM = Path("/var/lib/libvirt/isos/tiny.iso")
SELINUX = Path("/sys/fs/selinux")
RECIPE = """os = "demo"
[machine]
cpus = 1
memory = "1536 MiB"
firmware = "bios"
disk = "4 GiB"
[disk]
swap = 0
boot = "512 MiB"
"""
PLAIN = """<domain type="qemu"><name>plain</name><memory unit="MiB">64</memory><vcpu>1</vcpu>
<os><type machine="q35">hvm</type></os>
<devices><serial type="pty"/><channel type="unix"><target type="virtio" name="any"/></channel></devices></domain>"""
# Bounds of waits: a host that is emulated, and a guest that it emulates once more.
_DAEMON_S = 900
_COMMAND_S = 900
_CONSOLE_S = 1500
_END_S = 300
Told = dict[str, object]


def main() -> None:
    """Take all steps, whatever became of the ones before; tell each."""
    os.environ["IMGPIPE_HOME"] = str(DATA)
    with PORT.open("w") as port:
        audit = AuditLog()
        for step in (daemons, doctor, mended, plain, build, deploy, old_console, old_console_permissive, doctor_again):
            told: Told
            began = time.monotonic()
            try:
                told = step()
            except Exception as error:
                details = getattr(error, "details", ())
                told = {"error": "\n".join((traceback.format_exc()[-3000:], *details))}
            told |= {"step": step.__name__, "seconds": round(time.monotonic() - began), "denials": audit.new()}
            port.write(json.dumps(told) + "\n")
            port.flush()
        port.write(json.dumps({"step": "end"}) + "\n")


def daemons() -> Told:
    """Wait for libvirt's own daemon; tell what runs as what."""
    capabilities = ET.fromstring(run("virsh", "-c", URI, "capabilities", bound=_DAEMON_S)[1])
    policy = run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "selinux-policy-default", "libvirt-daemon")[1]
    return {
        "packages": policy.splitlines(),
        "kernel": platform.release(),
        "policy_version": (SELINUX / "policyvers").read_text(),
        "enforcing": (SELINUX / "enforce").read_text(),
        "ourselves": type_of(Path("/proc/self/attr/current").read_text().rstrip("\0\n")),
        "models": [model.text for model in capabilities.findall("./host/secmodel/model")],
        "processes": processes(),
    }


def doctor() -> Told:
    """Let doctor look at the host as it was installed."""
    return findings("doctor", "--json")


def mended() -> Told:
    """Let doctor mend what it can."""
    return findings("doctor", "--fix", "--yes", "--json")


def plain() -> Told:
    """Start a machine that nothing of ours is in: what it is refused is not ours.

    Debian's policy has a switch for emulated machines, whose code QEMU makes while they run; it is off.
    """
    run("setsebool", "virt_use_execmem", "on")
    path = Path("/root/plain.xml")
    path.write_text(PLAIN)
    run("virsh", "-c", URI, "create", "--paused", str(path), bound=_COMMAND_S)
    told: Told = {"processes": processes()}
    run("virsh", "-c", URI, "resume", "plain")
    run("virsh", "-c", URI, "destroy", "plain")
    return told


def build() -> Told:
    """Begin a build as its user does, until its installer speaks, and interrupt it."""
    recipe = Path("/root/tiny.toml")
    recipe.write_text(RECIPE)
    with started("build", str(recipe), "--media", str(MEDIUM), "--json") as process:
        console = spoken(process, lambda: sorted((DATA / "work").glob("*/console.log")))
        told = {"processes": processes(), "files": machine_files()}
    return told | {"console": console, "code": process.returncode, "said": output(process)}


def deploy() -> Told:
    """Make a machine with UEFI from an image of ours and start it, as a deploy does; let it run for a moment."""
    import deploy_site
    from imgpipe.adapters.hypervisor import connect
    from imgpipe.recipe import Machine
    from imgpipe.sizes import MIB
    from imgpipe.store import Store

    store = Store(DATA)
    disk = deploy_site.golden_image(store)
    uefi = Machine(cpus=1, memory=256 * MIB, disk=deploy_site.SIZE, firmware="uefi")
    template = deploy_site.template(disk, machine=uefi)
    with closing(connect(URI, print)) as hypervisor:
        site = deploy_site.Site(store, hypervisor, template)
        site.deploy((deploy_site.machine("ring", template),))
        paused = processes()
        run("virsh", "-c", URI, "resume", "ring")
        time.sleep(20)
        state = run("virsh", "-c", URI, "domstate", "ring")[1].strip()
        files = machine_files()
        site.remove_all()
    return {"processes": paused, "files": files, "state": state}


def old_console() -> Told:
    """Start the build's very machine with the console that it once had, a file of the work folder."""
    (work,) = (path.parent for path in (DATA / "work").glob("*/domain.xml"))
    tree = ET.parse(work / "domain.xml")
    console = work / "old-console.log"
    for element in (tree.find("./devices/serial"), tree.find("./devices/console")):
        assert element is not None
        element.set("type", "file")
        ET.SubElement(element, "source", path=str(console))
    disk = tree.find("./devices/disk[@device='disk']/source")
    assert disk is not None
    run("qemu-img", "create", "-q", "-f", "qcow2", disk.attrib["file"], "1G")
    old = work / "old.xml"
    tree.write(old)
    code, said = run("virsh", "-c", URI, "create", "--paused", str(old), bound=_COMMAND_S, fails=True)
    told: Told = {"code": code, "said": said, "path": str(console)}
    if code == 0:
        told["processes"] = processes()
        run("virsh", "-c", URI, "destroy", f"imgpipe-install-{work.name}")
    return told


def old_console_permissive() -> Told:
    """Do the same where SELinux only warns: what differs is SELinux's doing."""
    run("setenforce", "0")
    try:
        return old_console()
    finally:
        run("setenforce", "1")


def doctor_again() -> Told:
    """Let doctor tell of what was refused."""
    return findings("doctor", "--json")


def findings(*arguments: str) -> Told:
    """Run doctor; return its exit code and what it found."""
    done = subprocess.run(imgpipe(*arguments), capture_output=True, text=True, check=False, timeout=_COMMAND_S)
    return {"code": done.returncode, "found": json.loads(done.stdout)["findings"], "said": done.stderr[-2000:]}


def imgpipe(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "imgpipe"), "--connect", URI, *arguments]


def run(*argv: str, bound: float = 120, fails: bool = False) -> tuple[int, str]:
    """Run a program; return its exit code and what it said. Raises for one that fails, unless it may."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=bound)
    assert fails or done.returncode == 0, f"{argv}: {done.stdout}"
    return done.returncode, done.stdout


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run imgpipe for the block, and interrupt it as Ctrl-C does."""
    with Path("/root/said").open("w") as said:
        process = subprocess.Popen(imgpipe(*arguments), stdout=said, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(_END_S)


def output(_process: subprocess.Popen[str]) -> str:
    return Path("/root/said").read_text()[-4000:]


def spoken(process: subprocess.Popen[str], consoles: Callable[[], list[Path]]) -> str:
    """Wait until a console has a line; return its beginning."""
    end = time.monotonic() + _CONSOLE_S
    while True:
        for console in consoles():
            if b"\n" in (said := console.read_bytes()):
                return said[:300].decode(errors="replace")
        assert process.poll() is None, f"it ended before its console spoke: {output(process)}"
        assert time.monotonic() < end, f"the console said nothing within {_CONSOLE_S} s: {output(process)}"
        time.sleep(1)


def processes() -> dict[str, str]:
    """Return the domain of each program of libvirt and of QEMU."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            program = os.path.basename(os.readlink(folder / "exe"))  # noqa: PTH119, PTH115
            context = (folder / "attr/current").read_text().rstrip("\0\n")
        except OSError:
            continue
        if program.startswith(("virt", "libvirtd", "qemu-system")):
            found[program] = context
    return found


def machine_files() -> dict[str, str]:
    """Return the labels of the files that running machines have open, below our folders and libvirt's."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "qemu-system" not in os.readlink(folder / "exe"):  # noqa: PTH115
                continue
            paths = {os.readlink(path) for path in (folder / "fd").iterdir()}  # noqa: PTH115
        except OSError:
            continue
        for path in paths:
            if path.startswith(("/var/lib/", "/dev/pts/", "/dev/u", "/dev/kvm")) and Path(path).exists():
                found[path] = os.getxattr(path, "security.selinux").decode().rstrip("\0")
    return found


if __name__ == "__main__":
    main()
