"""The answers of an unattended installation: a preseed file, and the script that finishes the target.

Both lie at the root of the installer's initrd, appended to it as one more cpio archive: debian-installer
loads /preseed.cfg from there by itself, before its first question.
"""

from __future__ import annotations

import shlex
from ipaddress import IPv4Interface

import jinja2

from imgpipe.way_out import METRIC, leaves_its_router
from imgpipe_debian import partitions
from imgpipe_debian.settings import Nic, PreseedSettings

ANSWERS = "preseed.cfg"
SCRIPT = "imgpipe-post.sh"
# The proof in the installed system, as an absolute path in it.
PROOF = "/var/lib/imgpipe/installed"

# The installer asks for root's password where it is given a lock ('!') for it; so it is given the form of a hash
# that no password has, and the script locks the account.
LOCKED = "!"
NO_PASSWORD = f"$6$imgpipe${'.' * 86}"

# Whatever the recipe, the installer asks apt for these one by one.
_INCLUDES = ("udev", "busybox", "zstd", "initramfs-tools", "keyboard-configuration", "console-setup")
_BOOT_LOADER = {"bios": "grub-pc-bin", "uefi": "grub-efi-amd64-bin"}

TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("imgpipe_debian"),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 (no HTML; values are checked by `settings` and quoted by `q`)
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
TEMPLATES.filters["q"] = shlex.quote


def install_arguments(settings: PreseedSettings) -> tuple[str, ...]:
    """Return the kernel arguments that start the installer on the answers, without a screen.

    The text frontend writes plain lines, and TERM=dumb keeps the installer out of GNU screen: both make a
    console that can be read as a log. An emulated machine on a busy host is late with the ticks that the kernel
    tries its timer by; it would panic ("IO-APIC + timer doesn't work!").
    """
    names = ("net.ifnames=0", "biosdevname=0") if settings.classic_names else ()
    consoles = ("console=tty0", f"console={settings.console},115200n8")
    return ("priority=critical", "DEBIAN_FRONTEND=text", "TERM=dumb", "no_timer_check", *names, *consoles)


def render(settings: PreseedSettings) -> str:
    """Return the preseed file: each question debian-installer could stop at is answered."""
    return TEMPLATES.get_template("preseed.cfg.j2").render(
        s=settings,
        recipe=partitions.recipe(settings.disk),
        root_hash=NO_PASSWORD if settings.root_password_hash == LOCKED else settings.root_password_hash,
        script=SCRIPT,
        includes=" ".join(_included(settings)),
        arguments=" ".join(settings.target_arguments),
        packages=" ".join(dict.fromkeys(("openssh-server", *settings.packages))),
    )


def render_script(settings: PreseedSettings) -> str:
    """Return the script that the installer runs last; only it says that the installation succeeded."""
    name_servers = dict.fromkeys(server for nic in settings.nics for server in nic.dns)
    return TEMPLATES.get_template("imgpipe-post.sh.j2").render(
        s=settings,
        proof=PROOF,
        packages=list(dict.fromkeys(("openssh-server", *settings.packages))),
        interfaces=interfaces(settings.nics),
        resolv="".join(f"nameserver {server}\n" for server in name_servers),
        sshd=[f"{key} {value}" for key, value in settings.tuning.sshd],
        sysctl=[f"{key} = {value}" for key, value in settings.tuning.sysctl],
        limits=[f"{limit.domain} {limit.kind} {limit.item} {limit.value}" for limit in settings.tuning.limits],
    )


def _included(settings: PreseedSettings) -> tuple[str, ...]:
    locales = () if settings.locale.startswith("C") else ("locales",)
    file_system = ("xfsprogs",) if settings.disk.filesystem == "xfs" else ()
    volumes = ("lvm2",) if settings.disk.layout == "lvm" else ()
    loader = ("grub-common", "grub2-common", _BOOT_LOADER[settings.disk.firmware])
    return (*_INCLUDES, *locales, *file_system, *volumes, *loader)


def interfaces(nics: tuple[Nic, ...]) -> str:
    """Return /etc/network/interfaces of the installed system: one stanza for each card."""
    parts = ["# See interfaces(5).\n\nauto lo\niface lo inet loopback\n"]
    for nic in nics:
        if not nic.address:
            # hotplug: a clone on a network without a DHCP server must still boot at once.
            parts.append(f"\nallow-hotplug {nic.name}\niface {nic.name} inet dhcp\n")
            if leaves_its_router(nic, nics):
                parts.append(f"    metric {METRIC}\n")
            continue
        lines = [f"\nauto {nic.name}\niface {nic.name} inet static\n    address {IPv4Interface(nic.address)}\n"]
        if nic.gateway:
            lines.append(f"    gateway {nic.gateway}\n")
        parts += lines
    return "".join(parts)
