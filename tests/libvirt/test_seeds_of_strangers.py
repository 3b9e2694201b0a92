"""A seed is not deleted while another machine has it; none runs a guest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import deploy_site
import private_libvirt
from deploy_site import Site, machines
from imgpipe.adapters.machines import Machines
from imgpipe.deploy.wanted import WantedFile
from imgpipe.errors import HostError

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
SECRET = (WantedFile(path="/etc/token", text="hush", secret=True),)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with deploy_site.local_site(tmp_path) as made:
        yield made


def plain(site: Site, files: tuple[WantedFile, ...] = ()) -> None:
    site.deploy(machines(1, site.template, start=False, identity_files=files))


def test_a_seed_that_a_copy_has_too_stays_when_the_machine_needs_none(site: Site) -> None:
    plain(site, SECRET)
    words = ["virt-clone", "--connect", site.hypervisor.uri, "-o", "web-001", "-n", "copy", "--auto-clone"]
    subprocess.run(words, check=True, capture_output=True)
    seed = site.folder / "web-001-seed.iso"
    assert str(seed) in Machines(site.hypervisor).xml("copy")
    plain(site)
    assert seed.exists()
    assert any("because 'copy' has it too" in str(event) for event in site.heard)


def test_a_record_that_calls_a_strangers_volume_its_seed_deletes_nothing(site: Site) -> None:
    plain(site)
    (first,) = site.existing()
    assert first.record
    strangers = site.folder / "strangers.qcow2"
    strangers.write_text("theirs")
    Machines(site.hypervisor).set_record("web-001", replace(first.record, seed=strangers.name))
    site.deploy(machines(1, site.template, start=False, autostart=True))
    assert strangers.read_text() == "theirs"
    assert any("because 'web-001' did not have it" in str(event) for event in site.heard)


def test_a_record_that_calls_something_else_its_seed_lets_nobody_be_written_over(site: Site) -> None:
    plain(site)
    (first,) = site.existing()
    assert first.record
    strangers = site.folder / "web-001-seed.iso"
    strangers.write_text("theirs")
    Machines(site.hypervisor).set_record("web-001", replace(first.record, seed="other.iso"))
    with pytest.raises(HostError, match="web-001-seed"):
        plain(site, SECRET)
    assert strangers.read_text() == "theirs"


def test_a_record_that_calls_another_machines_disk_its_seed_deletes_nothing(site: Site) -> None:
    site.deploy(machines(2, site.template, start=False))
    first, other = site.existing()
    assert first.record
    Machines(site.hypervisor).set_record("web-001", replace(first.record, seed="web-002.qcow2"))
    site.deploy(machines(2, site.template, start=False, autostart=True))
    assert Path(other.disk).exists()
