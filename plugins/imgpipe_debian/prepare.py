"""The answer to `prepare`: how a recipe is installed by debian-installer."""

from __future__ import annotations

from imgpipe.errors import RecipeError
from imgpipe.host.debian_mirror import parse
from imgpipe.keyboards import keyboard_fault, xkb_layout
from imgpipe.os_family import (
    Account,
    AnswerFile,
    Hardware,
    KernelBoot,
    Order,
    Personalise,
    Proof,
    Seed,
    Unattended,
)
from imgpipe.recipe import Limits, Nic, Recipe
from imgpipe.sizes import MIB
from imgpipe_debian import preseed, settings
from imgpipe_debian.console import CONSOLE
from imgpipe_debian.own_answers import with_proof
from imgpipe_debian.sealing import OPERATIONS, checks
from imgpipe_debian.systems import RELEASES

HARDWARE = Hardware(disk_bus="virtio", cache="none", nic_model="virtio")
OK = "IMGPIPE-INSTALL-OK"
FAIL = "IMGPIPE-INSTALL-FAIL"


def prepare(order: Order) -> Unattended:
    """Answer by preseed: the answers lie at the root of the initrd, where debian-installer reads them first.

    Raises RecipeError for what this system cannot be made to do.
    """
    recipe = order.recipe
    asked = preseed_settings(order)
    if order.own_answer_file is None:
        answers, script = preseed.render(asked), preseed.render_script(asked)
    else:
        answers, script = with_proof(order.own_answer_file, asked.token)
    return Unattended(
        seed=Seed(
            files=(AnswerFile(name=preseed.ANSWERS, text=answers), AnswerFile(name=preseed.SCRIPT, text=script)),
            place="initrd",
        ),
        boot=KernelBoot(
            kernel=("install.amd/vmlinuz",),
            initrd=("install.amd/initrd.gz",),
            arguments=(*preseed.install_arguments(asked), *recipe.install.kernel_arguments),
        ),
        hardware=HARDWARE,
        console=CONSOLE,
        proof=Proof(console=f"{OK} {asked.token}", failure=FAIL, file=preseed.PROOF, content=f"{asked.token}\n"),
        operations=OPERATIONS,
        checks=checks(recipe),
        personalise=Personalise(way="first-boot", network="ifupdown"),
        needs_network=asked.sources.mirror is not None,
        disk_layout=_layout(asked.disk),
    )


def preseed_settings(order: Order) -> settings.PreseedSettings:
    """Return what debian-installer is asked for; raises RecipeError with all that it cannot do."""
    recipe, guest = order.recipe, order.recipe.guest
    _refuse(recipe)
    return settings.PreseedSettings(
        token=order.system.name,
        hostname=(guest.hostname or "debian").partition(".")[0],
        locale=guest.locale,
        keyboard=_keymap(guest.keyboard),
        timezone=guest.timezone,
        nics=tuple(_nic(number, nic) for number, nic in enumerate(recipe.nics)),
        disk=_disk(recipe),
        sources=settings.Sources(
            mirror=parse(order.mirror) if order.mirror else None,
            suite=RELEASES[order.system.name].suite,
            proxy=recipe.install.proxy or "",
        ),
        packages=guest.packages.add,
        kernel_arguments=guest.kernel_arguments,
        classic_names=guest.classic_nic_names,
        root_password_hash=_hash(order.accounts["root"]),
        root_keys=guest.root.keys,
        users=tuple(
            settings.User(
                name=user.name, password_hash=_hash(order.accounts[user.name]), keys=user.keys, groups=user.groups
            )
            for user in guest.users
        ),
        tuning=_tuning(recipe),
    )


def _refuse(recipe: Recipe) -> None:
    guest, wrong = recipe.guest, []
    if guest.selinux == "enforcing":
        wrong.append("guest.selinux: Debian confines with AppArmor and has no SELinux policy to enforce")
    if guest.firewall:
        wrong.append(
            "guest.firewall: Debian's minimal system has no firewall to switch on; add a package and a service"
        )
    if guest.packages.remove:
        wrong.append("guest.packages.remove: the base system has nothing that can be left out by name")
    if xkb_layout(guest.keyboard) is None:
        wrong.append(keyboard_fault(guest.keyboard))
    if recipe.disk.volume_group != "vg0":
        wrong.append("disk.volume_group: only 'vg0' can be had here")
    if wrong:
        raise RecipeError(f"Recipe '{recipe.name}' asks for what debian-installer cannot do.", details=wrong)


def _keymap(keyboard: str) -> str:
    """Return debian-installer's name of a keyboard: 'layout(variant)' (keyboard-configuration.config)."""
    known = xkb_layout(keyboard)
    if known is None:
        raise RecipeError(keyboard_fault(keyboard))
    # It switches from the layout 'us' to one without Latin letters by itself.
    return f"{known.layout}({known.variant})" if known.variant else known.layout


def _nic(number: int, nic: Nic) -> settings.Nic:
    return settings.Nic(
        name=nic.name or f"eth{number}",
        mac=nic.mac or "",
        address=str(nic.address or ""),
        gateway=str(nic.gateway or ""),
        dns=tuple(str(server) for server in nic.dns),
    )


def _disk(recipe: Recipe) -> settings.Disk:
    return settings.Disk(
        firmware=recipe.machine.firmware,
        layout=recipe.disk.layout,
        filesystem=recipe.disk.filesystem or "ext4",
        boot_mib=recipe.disk.boot // MIB,
        swap_mib=recipe.disk.swap // MIB,
    )


def _hash(account: Account) -> str:
    return account.password_hash or "!"


def _tuning(recipe: Recipe) -> settings.Tuning:
    guest = recipe.guest
    return settings.Tuning(
        sshd=tuple(guest.sshd.items()),
        sysctl=tuple((key, str(value)) for key, value in guest.sysctl.items()),
        limits=tuple(_limits(guest.limits)),
        enable=guest.services.enable,
        disable=guest.services.disable,
    )


def _limits(limits: Limits) -> list[settings.Limit]:
    return [
        settings.Limit(domain=who, kind="-", item=item, value=str(value))
        for item, value in (("nofile", limits.nofile), ("nproc", limits.nproc))
        if value is not None
        # Root is no part of '*' (limits.conf(5)).
        for who in ("*", "root")
    ]


def _layout(disk: settings.Disk) -> tuple[str, ...]:
    loader = "biosboot 2 MiB" if disk.firmware == "bios" else "/boot/efi 512 MiB"
    swap = (f"swap {disk.swap_mib} MiB",) if disk.swap_mib else ()
    rest = f"/ {disk.filesystem}, the rest"
    parts = (loader, f"/boot {disk.filesystem} {disk.boot_mib} MiB")
    if disk.layout == "lvm":
        return (*parts, f"LVM vg0: {', '.join((*swap, rest))}")
    return (*parts, *swap, rest)
