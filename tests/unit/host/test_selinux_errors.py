"""A file that SELinux keeps from libvirt is named, with its type and with what to do."""

import libvirt
import pytest

from imgpipe.adapters import selinux
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


def test_an_emulated_machine_that_may_make_no_code_gets_the_policys_switch_for_it():
    # Seen with Debian 13's policy.
    text = """internal error: process exited while connecting to monitor: 2026-11-26T19:28:14.710553Z \
qemu-system-x86_64: -accel tcg,tb-size=512: qemu_mprotect__osdep: mprotect failed: Permission denied
2026-11-26T19:28:14.723321Z qemu-system-x86_64: -accel tcg: mprotect of jit buffer: No such file or directory"""
    error = host_error(Refusal(text), "qemu:///system", "start the machine")
    assert "setsebool -P virt_use_execmem on" in error.hint
    assert len(error.details) == 2
