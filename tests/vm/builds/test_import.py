"""A machine that is already there becomes a template, by the same stages; it is copied and never changed."""

import hashlib
import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from command import Command
from imgpipe.adapters.hypervisor import connect

pytestmark = pytest.mark.vm

XML = """
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>512</memory><os><type>hvm</type></os>
  <devices><disk type='file' device='disk'>
    <driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda' bus='virtio'/>
  </disk>
  <interface type='bridge'><source bridge='br-of-vm001'/></interface><interface type='user'/></devices>
</domain>
"""


@pytest.fixture
def machine(demo, tmp_path):
    """A shut-off machine with a disk of its own; gone after the test."""
    disk = tmp_path / "vm001.qcow2"
    shutil.copyfile(demo[0].image["path"], disk)
    name = f"imgpipe-test-{uuid.uuid4().hex[:8]}"
    hypervisor = connect(None, print)
    (tmp_path / "vm001.xml").write_text(XML.format(name=name, disk=disk))
    virsh = ["virsh", "--quiet", "--connect", hypervisor.uri]
    subprocess.run([*virsh, "define", tmp_path / "vm001.xml"], check=True, timeout=60)
    yield name, disk
    subprocess.run([*virsh, "undefine", name], check=True, timeout=60)
    hypervisor.close()


def test_a_machine_is_made_a_template_and_stays_as_it_was(machine, data):
    name, disk = machine
    before = hashlib.sha256(disk.read_bytes()).hexdigest()
    build = Command(data, "import", "imported", "--domain", name, "--recipe", "demo", "--json").succeed()
    assert build.image["name"] == "imported"
    assert Path(build.image["path"]).is_file()
    assert hashlib.sha256(disk.read_bytes()).hexdigest() == before
    manifest = json.loads(Path(build.image["path"]).with_name("manifest.json").read_text())
    nics = [(nic["plug"], nic["source"]) for nic in manifest["plan"]["source_nics"]]
    assert nics == [("bridge", "br-of-vm001"), ("user", "")]
