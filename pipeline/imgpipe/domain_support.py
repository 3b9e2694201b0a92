"""Whether a host's libvirt and QEMU can run a machine, and what the machine does without there. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from imgpipe.domain_features import HYPERV, OLDEST_LIBVIRT, OLDEST_QEMU, Features, Version
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine

Subject = Literal["libvirt version", "QEMU", "CPU", "UEFI", "TPM", "devices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a machine cannot run: what it is about, in doctor's word for it, and a sentence that says what is lacking."""

    about: Subject
    reason: str


def refusals(features: Features, machine: Machine, hardware: Hardware) -> tuple[Refusal, ...]:
    """Return all that the machine needs and this libvirt and QEMU lack."""
    too_old = tuple(_too_old(features))
    return too_old or (*_cpu(features, machine), *_firmware(features, machine, hardware), *_devices(features, hardware))


def dropped(features: Features, machine: Machine, hardware: Hardware, *, linked: bool = False) -> tuple[str, ...]:
    """Return what the machine does without, a sentence each; `linked` says that its disk is an overlay of an image."""
    return (
        *_dropped_of_cpu(features),
        *(_dropped_of_hyperv(features) if hardware.hyperv and features.accelerator == "kvm" else ()),
        *_named_firmware(features, machine, hardware),
        *(_backing(features) if linked else ()),
    )


def dotted(version: Version) -> str:
    """Return '6.2.0' for (6, 2, 0)."""
    return ".".join(map(str, version))


def _libvirt(features: Features) -> str:
    return f"libvirt {dotted(features.libvirt)}"


def _qemu(features: Features) -> str:
    return f"QEMU {dotted(features.qemu)}" if features.qemu else "QEMU"


def _too_old(features: Features) -> Iterator[Refusal]:
    if features.libvirt < OLDEST_LIBVIRT:
        words = f"{_libvirt(features)} is too old: imgpipe's machines need {dotted(OLDEST_LIBVIRT)} or newer."
        yield Refusal(about="libvirt version", reason=words)
    if features.qemu and features.qemu < OLDEST_QEMU:
        words = f"{_qemu(features)} is too old: imgpipe's machines need {dotted(OLDEST_QEMU)} or newer."
        yield Refusal(about="QEMU", reason=words)


def _cpu(features: Features, machine: Machine) -> Iterator[Refusal]:
    if features.accelerator == "kvm" and not features.offers("cpu/mode", "host-passthrough"):
        yield Refusal(about="CPU", reason=f"{_libvirt(features)} does not give machines the host's CPU with KVM.")
    if features.accelerator == "tcg" and not (features.maximum_cpu or features.offers("cpu/mode", "host-model")):
        words = (
            f"{_libvirt(features)} with {_qemu(features)} gives emulated machines neither the CPU mode 'maximum' "
            "(libvirt 7.1) nor 'host-model': with what is left, Enterprise Linux 9 and 10 do not start."
        )
        yield Refusal(about="CPU", reason=words)
    if 0 < features.cpus < machine.cpus:
        words = f"{_qemu(features)} gives a machine {features.cpus} vCPUs at most, and this one wants {machine.cpus}."
        yield Refusal(about="CPU", reason=words)


def _firmware(features: Features, machine: Machine, hardware: Hardware) -> Iterator[Refusal]:
    if machine.firmware != "uefi":
        return
    secure = hardware.secure_boot
    which = "UEFI firmware with Secure Boot and its keys" if secure else "UEFI firmware without Secure Boot"
    if features.firmware_by_features:
        lacking = secure and not features.offers("os/loader/secure", "yes")
        if lacking or not features.offers("os/firmwareFeatures/secureBoot", "yes" if secure else "no"):
            yield Refusal(about="UEFI", reason=f"{_libvirt(features)} knows of no {which}.")
        return
    if features.firmware_files(secure_boot=secure):
        return
    why = (
        f"{_libvirt(features)} knows of no UEFI firmware: there are no descriptors of any"
        if not features.offers("os/firmware", "efi")
        else f"{_libvirt(features)} cannot be asked for firmware by its features (7.2 can), and might take any"
    )
    if features.own_files:
        where = f"and on this host there is no {which} whose files imgpipe knows ('edk2-ovmf', 'ovmf')"
    else:
        where = "and which files that host has cannot be seen from here: run imgpipe on it"
    yield Refusal(about="UEFI", reason=f"{why}; {where}.")


def _devices(features: Features, hardware: Hardware) -> Iterator[Refusal]:
    wanted = [
        ("devices/disk/bus", hardware.disk_bus),
        ("devices/disk/diskDevice", "cdrom"),
        ("devices/video/modelType", "vga"),
        ("devices/rng/backendModel", "random"),
    ]
    if hardware.graphics:
        wanted.append(("devices/graphics/type", "vnc"))
    for place, value in wanted:
        if not features.offers(place, value):
            kind = place.split("/")[1]
            yield Refusal(about="devices", reason=f"{_qemu(features)} has no '{value}' for the machine's {kind}.")
    tpm = (
        ("devices/tpm/model", "tpm-crb"),
        ("devices/tpm/backendModel", "emulator"),
        ("devices/tpm/backendVersion", "2.0"),
    )
    if hardware.tpm and not all(features.offers(place, value) for place, value in tpm):
        words = f"{_libvirt(features)} with {_qemu(features)} gives machines no TPM 2.0 (tpm-crb, by swtpm)."
        yield Refusal(about="TPM", reason=words)


def _dropped_of_cpu(features: Features) -> Iterator[str]:
    if features.accelerator == "kvm":
        if not features.migratable:
            yield (
                f"{_libvirt(features)} is not told that the CPU shall be migratable (6.5 is): QEMU's own default, "
                "which is the same, decides."
            )
        return
    if not features.maximum_cpu:
        yield (
            f"{_libvirt(features)} with {_qemu(features)} has no CPU mode 'maximum' (libvirt 7.1 has): emulated "
            "machines get 'host-model', which is what libvirt knows of QEMU's CPU."
        )
    if not features.translation_cache:
        yield (
            f"{_libvirt(features)} cannot be told the size of the translation cache (8.0 can): emulated machines "
            "have QEMU's smaller one, and are slower."
        )


def _dropped_of_hyperv(features: Features) -> Iterator[str]:
    if lacking := [name for name in HYPERV if name not in features.hyperv]:
        names = ", ".join(f"'{name}'" for name in lacking)
        yield f"KVM or {_qemu(features)} does not offer Windows {names} of Hyper-V's features: it is slower without."
    if not features.hyperv_mode:
        yield (
            f"{_libvirt(features)} is not told that Hyper-V's features are told one by one (8.0 is); it is what an "
            "older one always means."
        )
    if not features.hyperv_panic:
        yield f"{_qemu(features)} has no panic device of Hyper-V: stop errors of Windows are seen on its screen alone."


def _named_firmware(features: Features, machine: Machine, hardware: Hardware) -> Iterator[str]:
    files = features.firmware_files(secure_boot=hardware.secure_boot)
    if machine.firmware == "uefi" and not features.firmware_by_features and files:
        yield (
            f"{_libvirt(features)} is not asked for UEFI firmware by its features (7.2 is, where the firmware is "
            f"described): the machine has '{files.code}'."
        )


def _backing(features: Features) -> Iterator[str]:
    if not features.named_backing:
        yield (
            f"{_libvirt(features)} with {_qemu(features)} finds backing files itself: while machines run, their image "
            "belongs to QEMU's user, who could then make it writable. A full copy ('linked = false') has none."
        )
