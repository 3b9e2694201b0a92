"""/dev/kvm: whether it is KVM's, and whether it may be opened; no proof that it works."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Literal

KVM = Path("/dev/kvm")
Device = Literal["missing", "closed", "fake", "opens"]

# KVM_GET_API_VERSION of the kernel's Documentation/virt/kvm/api.rst; it has been 12 since 2.6.22.
_GET_API_VERSION = 0xAE00
_API_VERSION = 12


def kvm_device(path: Path = KVM) -> Device:
    """Say what is at `path`: nothing, something that this user may not open, something else, or KVM."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        match error.errno:
            case errno.ENOENT:
                return "missing"
            case errno.EACCES | errno.EPERM:
                return "closed"
        return "fake"
    try:
        return "opens" if fcntl.ioctl(descriptor, _GET_API_VERSION, 0) == _API_VERSION else "fake"
    except OSError:
        return "fake"
    finally:
        os.close(descriptor)
