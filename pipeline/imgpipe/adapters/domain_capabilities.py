"""Asking libvirt what machines of one accelerator it takes."""

from __future__ import annotations

import libvirt

from imgpipe.adapters.firmware_files import Described, plain_files, secure_files
from imgpipe.adapters.libvirt_errors import host_error
from imgpipe.domain_features import Features, Version, listed
from imgpipe.domain_spec import Accelerator
from imgpipe.errors import HostError
from imgpipe.libvirt_words import described

_DRIVER = "QEMU"


def ask(
    connection: libvirt.virConnect, uri: str, accelerator: Accelerator, builds: tuple[Described, ...] | None
) -> Features:
    """Return what libvirt at `uri` takes; `builds` is the firmware of its host, None where that is not this one.

    Raises HostError.
    Another driver than QEMU's, as libvirt's for tests, is not asked: it says nothing of QEMU.
    """
    try:
        version = _version(connection.getLibVersion())
        if connection.getType() != _DRIVER:
            return Features(libvirt=version, accelerator=accelerator)
        qemu = _version(connection.getVersion())
        kind = "kvm" if accelerator == "kvm" else "qemu"
        text = connection.getDomainCapabilities(None, "x86_64", "q35", kind)
    except libvirt.libvirtError as error:
        raise _refused(error, uri, accelerator) from error
    told = described(text)
    limit = told.find("vcpu")
    cpus = "" if limit is None else limit.get("max", "")
    return Features(
        libvirt=version,
        qemu=qemu,
        accelerator=accelerator,
        lists=listed(told),
        cpus=int(cpus) if cpus.isdecimal() and len(cpus) < 10 else 0,
        plain=plain_files(builds or ()),
        secure=secure_files(builds or ()),
        own_files=builds is not None,
    )


def _refused(error: libvirt.libvirtError, uri: str, accelerator: Accelerator) -> HostError:
    if error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
        return host_error(error, uri, "say what machines it takes")
    what = "KVM" if accelerator == "kvm" else "emulation (TCG)"
    return HostError(
        f"The QEMU of libvirt at '{uri}' runs no x86-64 machine of type 'q35' by {what}.",
        hint="See what 'virsh domcapabilities --machine q35' says; imgpipe's machines are of that type.",
        details=(str(error.get_error_message() or error),),
    )


def _version(number: int) -> Version:
    return number // 1_000_000, number // 1000 % 1000, number % 1000
