"""Names for completion, from libvirt's test driver and from daemons that do not answer."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import libvirt
import pytest

from imgpipe.adapters import known_names
from imgpipe.deploy.existing import MachineRecord
from imgpipe.deploy.metadata import to_xml

pytestmark = pytest.mark.libvirt

HERE = "01234567-89ab-cdef-0123-456789abcdef"
DOMAIN = """<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'><name>{name}</name><uuid>{uuid}</uuid>
<metadata>{metadata}</metadata><memory>1024</memory><os><type>hvm</type></os></domain>"""


def record(fleet, uuid):
    return MachineRecord(
        fleet=fleet, group="web", template="demo@20260301.1", linked=True, identity="", hostname="", addresses=(),
        pool="default-pool", disk="a.qcow2", uuid=uuid,
    )  # fmt: skip


@pytest.fixture
def uri(tmp_path):
    """Return a test driver that has machines of imgpipe's, one that was copied, and one of somebody else's."""
    domains = (("web-01", HERE, record("shop", HERE)), ("copy", HERE.replace("0", "f"), record("shop", HERE)))
    text = "".join(DOMAIN.format(name=name, uuid=uuid, metadata=to_xml(of)) for name, uuid, of in domains)
    text += DOMAIN.format(name="other", uuid=HERE.replace("1", "e"), metadata="")
    network = "<network><name>inner</name><bridge name='virbr7'/><ip address='192.168.7.1' prefix='24'/></network>"
    pool = "<pool type='dir'><name>vms</name><target><path>/nowhere</path></target></pool>"
    path = tmp_path / "node.xml"
    path.write_text(f"<node>{text}{network}{pool}</node>")
    return f"test://{path}"


def test_what_libvirt_has_is_known_by_name(uri):
    assert known_names.names(uri, "machines") == ["copy", "other", "web-01"]
    assert known_names.names(uri, "networks") == ["inner"]
    assert known_names.names(uri, "pools") == ["vms"]


def test_machines_of_imgpipes_are_known_with_fleet_and_group_and_no_copies(uri):
    assert known_names.machines(uri) == [("web-01", "shop", "web")]


@pytest.mark.parametrize("uri", ["qemu+unix:///system?socket={}/none", "test:///{}/none.xml", "nonsense:///x", ""])
def test_where_libvirt_does_not_answer_nothing_is_known_or_said(uri, tmp_path, capfd):
    uri = uri.format(tmp_path)
    assert known_names.names(uri, "machines") == known_names.names(uri, "pools") == known_names.machines(uri) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uri", ["qemu+ssh://host/system", "qemu+tcp://host/system", "qemu+ext:///system?command=x"])
def test_nothing_beyond_this_host_is_asked(uri, monkeypatch):
    monkeypatch.setattr(libvirt, "openReadOnly", lambda _: pytest.fail("it was asked"))
    assert known_names.names(uri, "machines") == []


def test_a_users_own_daemon_is_not_started(monkeypatch, tmp_path):
    monkeypatch.setattr(known_names.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(libvirt, "openReadOnly", lambda _: pytest.fail("it was started"))
    assert known_names.names("qemu:///session", "machines") == []


def test_a_daemon_that_hangs_is_left_after_a_moment_and_nothing_is_said(tmp_path):
    place = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(str(place))
        frozen.listen()
        held = threading.Event()
        environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "_IMGPIPE_COMPLETE": "complete_bash",
            "COMP_WORDS": "imgpipe\nclone\n", "COMP_CWORD": "2", "PYTHONPATH": ":".join(sys.path),
            "LIBVIRT_DEFAULT_URI": f"qemu+unix:///system?socket={place}",
        }  # fmt: skip
        argv = [sys.executable, "-c", "import sys; sys.argv[0] = 'imgpipe'; from imgpipe.cli.main import main; main()"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=Path("/"))
        held.set()
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
