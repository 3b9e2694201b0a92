"""Network files, judged by the programs that will read them, where this host has them."""

import shutil
import subprocess

import pytest
import yaml

from imgpipe.identity.carriage import carry
from imgpipe.identity.network import RENDERERS
from imgpipe.os_family import Personalise
from sample_identity import DYNAMIC, FULL, STATIC

pytestmark = pytest.mark.programs


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@needs("ifup")
def test_ifupdown_understands_its_files(tmp_path):
    names = {STATIC.mac: "enp1s0", DYNAMIC.mac: "enp2s0"}
    for file in RENDERERS["ifupdown"]((STATIC, DYNAMIC)):
        path = tmp_path / file.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        text = file.text.replace("/etc/network", str(tmp_path / "etc/network"))
        path.write_text(text.replace("@NIC@", names.get(file.mac, "@NIC@")))
    done = run("ifup", "--no-act", "--force", "--verbose", "-i", tmp_path / "etc/network/interfaces", "-a")
    assert done.returncode == 0, done.stderr
    assert "ip addr add 10.100.1.10/255.255.255.0" in done.stderr
    assert "ip route add default via 10.100.1.1  dev enp1s0" in done.stderr
    assert "configuring interface enp2s0=enp2s0 (inet)" in done.stderr


@needs("netplan")
def test_netplan_makes_files_for_both_nics(tmp_path):
    (file,) = RENDERERS["netplan"]((STATIC, DYNAMIC))
    path = tmp_path / file.path[1:]
    path.parent.mkdir(parents=True)
    path.write_text(file.text)
    path.chmod(file.mode)
    done = run("netplan", "generate", "--root-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    static, dynamic = sorted((tmp_path / "run/systemd/network").glob("*.network"))
    assert f"PermanentMACAddress={STATIC.mac}" in static.read_text()
    assert "Address=10.100.1.10/24" in static.read_text()
    assert "DHCP=ipv4" in dynamic.read_text()


@needs("cloud-init")
def test_cloud_init_accepts_its_user_data(tmp_path):
    files = dict(carry(FULL, Personalise(way="cloud-init", network="netplan"), "web-01").seed_files)
    path = tmp_path / "user-data"
    path.write_text(files["user-data"])
    found = run("cloud-init", "schema", "--config-file", path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert yaml.safe_load(files["network-config"])["version"] == 2
