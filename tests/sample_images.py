"""A plan, a verified disk and a workplace for tests of publishing and of the catalog."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.artifacts import CheckResult, Package, SealedDisk, SealedState, VerifiedDisk
from imgpipe.events import Event
from imgpipe.offline_edits import Operation, Truncate
from imgpipe.os_family import AnswerFile, Check, Console, Hardware, KernelBoot, Proof, Seed, System, Unattended
from imgpipe.plan import Plan
from imgpipe.provenance import InstallRecord, MediumRecord, write_record
from imgpipe.recipe import Machine, MediumSource, Nic
from imgpipe.sizes import GIB, MIB
from imgpipe.store import Store
from imgpipe.workplace import Workplace

HASH = "$6$rounds=5000$saltsalt$Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
SECRETS = (HASH, "hunter2-in-the-kickstart", "proxypass")


def sample_plan(name: str = "rocky9") -> Plan:
    secret = AnswerFile(name="ks.cfg", text=f"rootpw --iscrypted {HASH}\n# hunter2-in-the-kickstart\n")
    unattended = Unattended(
        seed=Seed(files=(secret,)),
        boot=KernelBoot(
            kernel=("images/pxeboot/vmlinuz",), initrd=("images/pxeboot/initrd.img",), arguments=("quiet",)
        ),
        hardware=Hardware(),
        console=Console(phases=(), troubles=()),
        proof=Proof(console="done", failure="failed", file="/root/proof", content="ok"),
    )
    return Plan(
        name=name,
        system=System(name="rocky9", title="Rocky Linux 9", memory=2 * GIB),
        family="el",
        answer_kind="kickstart",
        machine=Machine(),
        medium=MediumSource(url="https://me:proxypass@example.org/rocky.iso", sha256="a" * 64),
        nics=(Nic(name="eth0"),),
        install_network="isolated",
        cache="none",
        install_cache="unsafe",
        unattended=unattended,
        operations=(Operation(name="machine-id", description="x", steps=(Truncate(patterns=("/etc/machine-id",)),)),),
        checks=(Check(name="boots", script="true"),),
    )


def sample_state() -> SealedState:
    return SealedState(
        product="Rocky Linux 9.7 (Blue Onyx)\x1b[31m",
        distro="rocky",
        version="9.7",
        package_format="rpm",
        operations=("machine-id",),
        asserted=("/etc/machine-id is empty",),
        packages=(
            Package(name="bash", version="5.1.8-9.el9", arch="x86_64"),
            Package(name="kernel-core", version="5.14.0-1.el9", arch="x86_64"),
            Package(name="kernel-core", version="5.14.0-2.el9", arch="x86_64"),
            Package(name="vim-minimal", version="2:8.2.2637-20.el9", arch="x86_64"),
        ),
    )


def sample_disk(folder: Path, key: str = "5ea1" * 4) -> VerifiedDisk:
    """Return a disk whose image must be made by the test, at `folder`/sealed.qcow2."""
    folder.mkdir(parents=True, exist_ok=True)
    medium = MediumRecord(title="Rocky Linux 9.7", sha256="b" * 64, volume_id="Rocky-9-7", file="rocky.iso")
    record = InstallRecord(medium=medium, answer_files={"ks.cfg": "c" * 64}, accelerator="tcg", seconds=684.2)
    write_record(folder, record)
    sealed = SealedDisk(path=folder / "sealed.qcow2", folder=folder, key=key, state=sample_state(), seconds=31.4)
    results = (CheckResult(name="boots", passed=True, output=f"root:{HASH}:19000\x1b]0;owned\x07"),)
    return VerifiedDisk(sealed=sealed, results=results, facts=(("kernel", "5.14.0"),), seconds=42.0)


def with_key(disk: VerifiedDisk, key: str) -> VerifiedDisk:
    return dataclasses.replace(disk, sealed=dataclasses.replace(disk.sealed, key=key))


class Heard(list[Event]):
    """A listener that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)


def sample_workplace(root: Path, heard: Heard | None = None) -> Workplace:
    # The stage talks to no hypervisor, so an unconnected one does.
    return Workplace(
        store=Store(root), hypervisor=Hypervisor.__new__(Hypervisor), notify=Heard() if heard is None else heard
    )


DISK_BYTES = 64 * MIB
