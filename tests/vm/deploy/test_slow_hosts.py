"""A host that emulates slowly: what guests wait for, what they say when it does not come, and who is told at once."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from command import Command
from imgpipe.adapters.guest import open_disk
from imgpipe.adapters.hypervisor import connect
from imgpipe.artifacts import SealedDisk, SealedState
from imgpipe.emulated_boot import DROP_IN
from imgpipe.errors import GuestError
from imgpipe.offline_edits import Step, Symlink, WriteFile
from imgpipe.os_family import Check
from imgpipe.recipe import Machine
from imgpipe.sizes import GIB, MIB
from imgpipe.stages.verify import verify
from imgpipe.store import Store
from imgpipe.workplace import Workplace
from private_libvirt import lacking, private_libvirt
from tailored_guest import tailored
from tiny_plan import tiny_plan

pytestmark = [pytest.mark.vm, pytest.mark.skipif(bool(lacking()), reason=lacking())]

# Nothing else is needed, and each service costs seconds of an emulated boot.
ONLY_CHECKS: tuple[Step, ...] = (
    WriteFile(
        path="/etc/systemd/system/checked.target",
        content="[Unit]\nRequires=basic.target\nAfter=basic.target\nWants=imgpipe-verify.service\n",
    ),
    Symlink(path="/etc/systemd/system/default.target", target="/etc/systemd/system/checked.target"),
)
WAITS = Check(
    name="waits",
    script=f"systemctl show --property DefaultTimeoutStartUSec; cat {DROP_IN}\n"
    "systemctl show --property JobRunningTimeoutUSec dev-vda4.device\n",
)
MISSING = "/dev/disk/by-label/never-there"
UNIT = r"dev-disk-by\x2dlabel-never\x2dthere"


def with_a_missing_disk(seconds: int) -> tuple[Step, ...]:
    """Return edits that let the system need a disk which it is not given, and wait for it so long."""
    unit = f"[Unit]\nDescription=Data\n[Mount]\nWhat={MISSING}\nWhere=/srv\n[Install]\nRequiredBy=local-fs.target\n"
    wait = f"[Unit]\nJobRunningTimeoutSec={seconds}\n"
    return (
        WriteFile(path="/etc/systemd/system/srv.mount", content=unit),
        Symlink(path="/etc/systemd/system/local-fs.target.requires/srv.mount", target="/etc/systemd/system/srv.mount"),
        WriteFile(path=f"/etc/systemd/system/{UNIT}.device.d/wait.conf", content=wait),
    )


@pytest.fixture
def sealed(data, demo, request):
    """The demo's disk as sealed, with edits, where QEMU's user may read it."""
    folder = data / "work" / f"slow-{request.param[0]}"
    folder.mkdir(parents=True, mode=0o711)
    disk = folder / "sealed.qcow2"
    tailored(Path(demo[0].image["path"]), disk, (*ONLY_CHECKS, *request.param[1]))
    disk.chmod(0o644)
    state = SealedState(product="", distro="", version="", package_format="", operations=(), asserted=())
    yield SealedDisk(path=disk, folder=folder, key=request.param[0], state=state, seconds=1)
    shutil.rmtree(folder)


def verified(data, disk):
    plan = tiny_plan("good")
    machine = Machine(cpus=1, memory=768 * MIB, disk=4 * GIB)
    hypervisor = connect(None, print, data / "cache")
    place = Workplace(store=Store(data), hypervisor=hypervisor, notify=print)
    try:
        return verify(replace(plan, machine=machine, nics=(), checks=(WAITS,)), disk, place)
    finally:
        hypervisor.close()


@pytest.mark.parametrize("sealed", [("waits", ())], indirect=True)
def test_verifys_overlay_waits_longer_and_the_disk_that_is_published_does_not(data, sealed):
    (waits,) = verified(data, sealed).results
    assert waits.output.splitlines() == [
        "DefaultTimeoutStartUSec=10min",
        "[Manager]",
        "DefaultTimeoutStartSec=600",
        "DefaultDeviceTimeoutSec=600",
        "JobRunningTimeoutUSec=10min",
    ]
    with open_disk(sealed.path, accelerator="tcg", read_only=True) as guest:
        assert not guest.exists(DROP_IN)


@pytest.mark.parametrize("sealed", [("late", with_a_missing_disk(5))], indirect=True)
def test_a_verify_whose_disk_came_too_late_is_told_as_a_host_that_is_too_slow(data, sealed):
    with pytest.raises(GuestError) as caught:
        verified(data, sealed)
    text = str(caught.value)
    assert "did not get through its self-check: It fell into emergency mode. " in text
    late = f"Its device '{MISSING}' did not appear in time. "
    assert f"{late}The host was most likely too slow: it emulates, with a load of " in text
    assert caught.value.hint.startswith("Build again when the host is less busy, or where KVM works")


FLEET = """
name = "slow"
[defaults]
cpus = 1
memory = "1 GiB"
[groups.late]
template = "{late}"
names = ["late"]
[groups.rootless]
template = "{rootless}"
names = ["rootless"]
"""


def test_a_deploy_does_not_wait_for_machines_that_stopped_in_a_shell(data, demo, tmp_path):
    image, late, rootless = Path(demo[0].image["path"]), tmp_path / "late.qcow2", tmp_path / "rootless.qcow2"
    tailored(image, late, with_a_missing_disk(5))
    tailored(image, rootless, (), lambda boots: boots.replace("root=UUID=", "rootdelay=5 root=UUID=0"))
    fleet = tmp_path / "slow.toml"
    fleet.write_text(FLEET.format(late=late, rootless=rootless))
    with private_libvirt() as daemon:
        connection = ("--connect", f"qemu:///system?socket={daemon.socket}")
        trusted = ("--trust-backing", str(image.parent))
        deploy = Command(
            data, *connection, "deploy", str(fleet), *trusted, "--wait", "--wait-seconds", "100000", "--yes"
        )
        try:
            assert deploy.wait() == 4, deploy.stderr
        finally:
            Command(data, *connection, "machines", "destroy", "--fleet", "slow", "--yes", "--json").succeed()
    assert "2 of 2 machines did not come up as asked: " in deploy.stderr
    assert "within" not in deploy.stderr
    late = f"late: It fell into emergency mode. Its device '{MISSING}' did not appear in time. "
    assert f"{late}The host was most likely too slow: it emulates, with a load of " in deploy.stderr
    assert "Emergency Shell." in deploy.stderr
    assert "rootless: It stopped in its initramfs. Its device 'UUID=0" in deploy.stderr
    assert "Dropping to a shell!" in deploy.stderr
