"""QEMU with KVM, alone and without a core file: where it aborts, libvirt need not start it to find out.

libvirt lets the QEMU that it starts write a core file of any size (`max_core` of qemu.conf), into the root folder of
the host where the kernel's core_pattern names no other.
"""

from __future__ import annotations

from imgpipe.adapters import process
from imgpipe.adapters.installed import qemu_program
from imgpipe.errors import HostError

_PATIENCE_SECONDS = 20
_SCRIPT = 'ulimit -c 0; "$@" >/dev/null; echo $?'
# What a shell adds to the number of the signal that ended a program.
_BY_SIGNAL = 128


def qemu_aborts() -> bool:
    """Say whether QEMU dies of a signal while it makes a virtual CPU with KVM; nothing is booted.

    False also where that cannot be tried: no QEMU, a device that this user may not open, a QEMU that does not answer.
    """
    qemu = qemu_program()
    if qemu is None:
        return False
    machine = ("-machine", "q35,accel=kvm", "-cpu", "host", "-m", "64", "-S")
    quiet = ("-nodefaults", "-display", "none", "-monitor", "stdio")
    try:
        said = process.run(
            "sh", "-c", _SCRIPT, "sh", qemu, *machine, *quiet, stdin="quit\n", timeout_s=_PATIENCE_SECONDS
        )
    except HostError:
        return False
    return int(said) > _BY_SIGNAL
