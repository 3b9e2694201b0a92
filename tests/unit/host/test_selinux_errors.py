"""A file that SELinux keeps from libvirt is named, with its type and with what to do."""

import libvirt
import pytest

from imgpipe.adapters import installed, selinux
from imgpipe.adapters.libvirt_errors import host_error

DENIED = "Unable to open file: {path}: Permission denied"


class Refusal(libvirt.libvirtError):
    def __init__(self, text):
        super().__init__(text)
        self.text = text

    def get_error_code(self):
        return libvirt.VIR_ERR_SYSTEM_ERROR

    def get_error_message(self):
        return self.text


@pytest.mark.parametrize(
    ("text", "who"), [(DENIED, "QEMU"), (f"can't connect to virtlogd: {DENIED}", "libvirt's log daemon")]
)
def test_what_may_not_be_opened_is_named_with_its_type(text, who, tmp_path, monkeypatch):
    monkeypatch.setattr(selinux, "enforces", lambda: True)
    monkeypatch.setattr(selinux, "type_of", lambda path: "var_lib_t")
    path = tmp_path / "console.log"
    error = host_error(Refusal(text.format(path=path)), "qemu:///system", "start the machine")
    assert str(error).startswith(f"{who} may not open '{path}', whose SELinux type is 'var_lib_t'.")
    assert f"restorecon -v {path}" in error.hint
    monkeypatch.setattr(selinux, "enforces", lambda: False)
    error = host_error(Refusal(text.format(path=path)), "qemu:///system", "start the machine")
    assert "SELinux type" not in str(error)
    assert f"{who} may not open '{path}'" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "unable to set security context 'system_u:object_r:svirt_image_t:s0:c1,c2' on '{path}': Permission denied",
        "cannot open directory '{path}': Permission denied",
        "cannot open file '{path}': Permission denied",
        "Failed to open file '{path}': Permission denied",
        "cannot open path '{path}': Permission denied",
        "Cannot access storage file '{path}': Permission denied",
        "qemu: could not load kernel '{path}': Permission denied",
        "Could not open '{path}': Permission denied",
        "Unable to delete file {path}: Permission denied",
    ],
)
def test_each_sentence_of_libvirts_and_qemus_for_a_file_that_may_not_be_opened_is_read(text):
    # Without quotes a colon ends the path.
    path = "/data/vm001:b.qcow2" if "'{path}'" in text else "/data/a.qcow2"
    error = host_error(Refusal(text.format(path=path)), "qemu:///system", "start the machine")
    assert f"may not open '{path}'" in str(error)


SOCKET = "Failed to connect socket to '/var/run/libvirt/{name}': {why}"


def test_a_user_who_is_refused_is_not_told_that_nobody_answers():
    text = SOCKET.format(name="libvirt-sock", why="Permission denied")
    error = host_error(Refusal(text), "qemu:///system", "connect")
    assert "refuses you" in str(error)
    assert "group 'libvirt'" in error.hint


@pytest.mark.parametrize(
    ("name", "systemd", "command"),
    [
        ("libvirt-sock", True, "systemctl start libvirtd.socket"),
        ("virtqemud-sock", True, "systemctl start virtqemud.socket"),
        ("virtstoraged-sock", True, "systemctl start virtstoraged.socket"),
        ("virtlogd-sock", True, "systemctl start virtlogd.socket"),
        ("virtqemud-sock", False, "virtqemud --daemon"),
    ],
)
def test_the_daemon_that_does_not_answer_is_the_one_to_start(name, systemd, command, monkeypatch, tmp_path):
    monkeypatch.setattr(installed, "_SYSTEMD", tmp_path if systemd else tmp_path / "none")
    monkeypatch.setattr(installed, "daemons", lambda: installed.Daemons("libvirtd", ()))
    text = SOCKET.format(name=name, why="No such file or directory")
    error = host_error(Refusal(text), "qemu:///system", "connect")
    assert "does not answer" in str(error)
    assert f"'{command}'" in error.hint


def test_the_log_to_look_at_is_the_serving_daemons_journal(monkeypatch, tmp_path):
    monkeypatch.setattr(installed, "_SYSTEMD", tmp_path)
    monkeypatch.setattr(installed, "daemons", lambda: installed.Daemons("virtqemud", ()))
    assert "journalctl -b -u virtqemud" in host_error(Refusal("odd"), "qemu:///system", "start it").hint
    monkeypatch.setattr(installed, "_SYSTEMD", tmp_path / "none")
    assert "journalctl" not in host_error(Refusal("odd"), "qemu:///system", "start it").hint


def test_an_emulated_machine_that_may_make_no_code_gets_the_policys_switch_for_it():
    # Seen with Debian 13's policy.
    text = """internal error: process exited while connecting to monitor: 2026-11-26T19:28:14.710553Z \
qemu-system-x86_64: -accel tcg,tb-size=512: qemu_mprotect__osdep: mprotect failed: Permission denied
2026-11-26T19:28:14.723321Z qemu-system-x86_64: -accel tcg: mprotect of jit buffer: No such file or directory"""
    error = host_error(Refusal(text), "qemu:///system", "start the machine")
    assert "setsebool -P virt_use_execmem on" in error.hint
    assert len(error.details) == 2
