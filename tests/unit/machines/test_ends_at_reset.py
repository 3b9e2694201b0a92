"""An install machine ends where its guest resets it: from the start, or once its installer runs."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import install_domain
from imgpipe.stages.install import _Installation
from imgpipe.watch.classify import Reached
from tiny_plan import tiny_plan

WORK = Path("/tmp/work")
MEDIUM = Medium(path=WORK / "medium.iso", sha256="0" * 64, volume_id="tiny", title="Tiny")


def spec_of(firmware, kernel=WORK / "vmlinuz"):
    plan = tiny_plan("work")
    plan = replace(plan, machine=plan.machine.model_copy(update={"firmware": firmware}))
    seed = SeedMedia(folder=WORK, iso=None, kernel=kernel, initrd=None, arguments=(), digests=())
    return plan, install_domain(plan, MEDIUM, seed, WORK, "kvm")


@pytest.mark.parametrize(
    ("firmware", "kernel", "action"),
    [("bios", WORK / "vmlinuz", "destroy"), ("uefi", WORK / "vmlinuz", "restart"), ("bios", None, "restart")],
)
def test_a_reset_ends_a_machine_whose_installer_would_start_over(firmware, kernel, action):
    _, spec = spec_of(firmware, kernel)
    assert ET.fromstring(domain_xml(spec)).findtext("on_reboot") == action


def test_a_machine_with_uefi_ends_at_resets_once_its_installer_has_said_something():
    plan, spec = spec_of("uefi")
    heard = []
    place = SimpleNamespace(hypervisor=None, notify=heard.append)
    told = _Installation(plan, spec, WORK, place)._telling_first(
        SimpleNamespace(end_at_reset=lambda: heard.append("set"))
    )
    for percent in (1, 2):
        told(Reached(label=f"phase {percent}", percent=percent))
    assert heard[0] == "set"
    assert heard.count("set") == 1
    assert [event.phase for event in heard[1:]] == ["phase 1", "phase 2"]
