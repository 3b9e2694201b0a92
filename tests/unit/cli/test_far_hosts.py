"""What is said where libvirt is another host's: nothing that would be done on this one."""

import dataclasses
import shlex

import libvirt
import pytest

from imgpipe.adapters import installed
from imgpipe.adapters.installed import Daemons
from imgpipe.adapters.libvirt_errors import host_error
from imgpipe.cli.ending import Ending, at_connection
from imgpipe.far_host import FarHost, far_host
from imgpipe.host.doctor import libvirt as doctor

FAR = "qemu+ssh://ann@far.example:2222/system"


class Refusal(libvirt.libvirtError):
    def __init__(self, code, text):
        Exception.__init__(self, text)
        self.err = (code, 10, text, 2, "", "", "", -1, -1)


@pytest.fixture(autouse=True)
def this_host(monkeypatch):
    """This host has systemd and a modular libvirt; nothing of it may be asked for."""

    def ask(*_words):
        raise AssertionError("this host was asked about another's daemon")

    monkeypatch.setattr(installed, "daemons", ask)


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("qemu:///system", None),
        ("qemu+unix:///system?socket=/run/x", None),
        ("test:///default", None),
        ("qemu+ssh://[broken", None),
        (FAR, FarHost(name="far.example", user="ann", ssh="ssh -p 2222 ann@far.example")),
        ("qemu+ssh://far.example/system", FarHost(name="far.example", ssh="ssh far.example")),
        ("qemu+tls://far.example:16514/system", FarHost(name="far.example", ssh="ssh far.example")),
    ],
)
def test_a_uri_that_names_a_host_leads_there(uri, found):
    assert far_host(uri) == found


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (libvirt.VIR_ERR_RPC, "client socket is closed"),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "Failed to connect socket to '/var/run/libvirt/virtqemud-sock'"),
        (libvirt.VIR_ERR_SYSTEM_ERROR, "Cannot recv data: ssh: Could not resolve hostname far.example"),
        (libvirt.VIR_ERR_AUTH_FAILED, "authentication failed"),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "odd"),
        (libvirt.VIR_ERR_INTERNAL_ERROR, "cannot reach virtlogd"),
        (libvirt.VIR_ERR_OPERATION_FAILED, "Unable to find any firmware to satisfy 'efi'"),
        (libvirt.VIR_ERR_OPERATION_FAILED, "Cannot access storage file '/srv/a b.qcow2' (as uid:64055, gid:994)"),
        (libvirt.VIR_ERR_OPERATION_FAILED, "Could not open '/srv/web.qcow2': Permission denied"),
        (
            libvirt.VIR_ERR_INTERNAL_ERROR,
            'Failed to get "write" lock\nIs another process using the image [/srv/web.qcow2]?',
        ),
    ],
)
def test_an_error_of_a_far_daemon_sends_nobody_to_this_hosts(code, text):
    told = host_error(Refusal(code, text), FAR, "start the machine 'web-01'")
    assert "far.example" in told.hint
    for word in ("systemctl start", "libvirtd --daemon", "~/.cache", "log in again", "chmod"):
        assert word not in told.hint
    assert text.splitlines()[0] in told.details


def test_commands_for_a_far_host_are_run_there_and_can_be_typed():
    denied = host_error(Refusal(libvirt.VIR_ERR_OPERATION_FAILED, "'/srv/a b.qcow2': Permission denied"), FAR, "start")
    command = denied.hint.partition(": '")[2].partition("'; the user")[0]
    assert shlex.split(command) == ["ssh", "-p", "2222", "ann@far.example", "ls", "-lZ", "/srv/a b.qcow2"]


def test_doctor_joins_a_group_on_the_host_that_has_it():
    facts = doctor.DaemonFacts(uri=FAR, daemons=Daemons("libvirtd", ()), systemd=True, user="root", denied=True)
    (found,) = doctor.judge(facts)
    assert found.commands == ("ssh -p 2222 ann@far.example sudo usermod -aG libvirt ann",)
    assert "refuses 'ann'" in found.meaning
    (silent,) = doctor.judge(dataclasses.replace(facts, denied=False, error="no route to host"))
    assert silent.commands == ("ssh -p 2222 ann@far.example systemctl status libvirtd.socket virtqemud.socket",)
    assert not silent.repairs


ENDING = Ending(
    code=2,
    kind="recipe",
    message="The machine 'web' is not imgpipe's.",
    hint="'imgpipe machines forget web', or 'virsh undefine --nvram web', then 'imgpipe images list'.",
    details=("'virsh -c qemu:///system pool-start x' starts it; 'virsh domrename a b' undoes that",),
)


def test_commands_go_to_the_connection_of_the_command_line():
    told = at_connection(ENDING, FAR, "qemu:///session")
    assert told.hint == (
        f"'imgpipe --connect {FAR} machines forget web', or 'virsh -c {FAR} undefine --nvram web', then "
        "'imgpipe images list'."
    )
    assert told.details == (
        f"'virsh -c qemu:///system pool-start x' starts it; 'virsh -c {FAR} domrename a b' undoes that",
    )


def test_virsh_is_told_of_the_connection_in_the_settings_and_imgpipe_reads_that_itself():
    told = at_connection(ENDING, None, "qemu:///session")
    assert told.hint.startswith("'imgpipe machines forget web', or 'virsh -c qemu:///session undefine")
    assert at_connection(ENDING, None, None) == ENDING
