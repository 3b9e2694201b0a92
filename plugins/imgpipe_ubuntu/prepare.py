"""The answer to `prepare`: how a recipe is installed by subiquity."""

from __future__ import annotations

from imgpipe.errors import PluginError, RecipeError
from imgpipe.os_family import (
    AnswerFile,
    Hardware,
    KernelBoot,
    Order,
    Personalise,
    Proof,
    Seed,
    Unattended,
)
from imgpipe_ubuntu import document, sealing
from imgpipe_ubuntu.console import CONSOLE
from imgpipe_ubuntu.options import UbuntuOptions
from imgpipe_ubuntu.storage import layout_disk
from imgpipe_ubuntu.systems import RELEASES
from imgpipe_ubuntu.target import target_script

# Constant, so that the same recipe makes the same seed; the live system reads it once and is then gone.
_META_DATA = AnswerFile(name="meta-data", text="instance-id: imgpipe-install\n", secret=False)

HARDWARE = Hardware(disk_bus="virtio", cache="none", nic_model="virtio", clock="utc")


def prepare(order: Order) -> Unattended:
    """Install offline from the medium; the answers come on a second CD that cloud-init finds by its label.

    Raises RecipeError for what this system cannot be made to do.
    """
    recipe = order.recipe
    files, layout = (_own_files(order), ()) if order.own_answer_file is not None else _rendered_files(order)
    return Unattended(
        seed=Seed(files=files, place="iso", volume_id=document.SEED_LABEL),
        boot=KernelBoot(
            kernel=("casper/vmlinuz", "casper/hwe-vmlinuz"),
            initrd=("casper/initrd", "casper/hwe-initrd"),
            arguments=_kernel_arguments(order),
        ),
        hardware=HARDWARE,
        console=CONSOLE,
        proof=Proof(
            console=f"{document.OK} {order.system.name}",
            failure=document.FAIL,
            file=document.PROOF_FILE,
            content=f"{order.system.name}\n",
        ),
        operations=sealing.OPERATIONS,
        checks=sealing.checks(recipe),
        personalise=Personalise(way="cloud-init", network="netplan"),
        needs_network=document.fetches_packages(recipe),
        disk_layout=layout,
    )


def _own_files(order: Order) -> tuple[AnswerFile, ...]:
    return (AnswerFile(name="user-data", text=order.own_answer_file or ""), _META_DATA)


def _rendered_files(order: Order) -> tuple[tuple[AnswerFile, ...], tuple[str, ...]]:
    if order.recipe.guest.selinux == "enforcing":
        raise RecipeError(
            f"'{order.system.name}' has no SELinux to enforce: Ubuntu confines with AppArmor, which stays on.",
            hint="Leave 'guest.selinux' out.",
        )
    if not isinstance(order.options, UbuntuOptions):
        raise PluginError(
            f"The options of '{order.system.name}' were parsed as '{type(order.options).__name__}'.",
            hint="Parse them with the type that the family names.",
        )
    layout = layout_disk(order.recipe, RELEASES[order.system.name], device="/dev/vda")
    user_data = document.user_data(order, layout, source=order.options.source)
    files = (
        AnswerFile(name="user-data", text=user_data, secret=False),
        _META_DATA,
        AnswerFile(name="late.sh", text=document.seed_script("late.sh"), secret=False),
        AnswerFile(name="target.sh", text=target_script(order)),
    )
    return files, layout.lines


def _kernel_arguments(order: Order) -> tuple[str, ...]:
    """Return the installer's arguments; nothing follows '---', which curtin would copy into the target."""
    recipe = order.recipe
    classic = ("net.ifnames=0", "biosdevname=0") if recipe.guest.classic_nic_names else ()
    return (
        "autoinstall",
        "ds=nocloud",
        "console=ttyS0,115200n8",
        # casper would otherwise read the whole medium once more to check it; imgpipe knows its digest.
        "fsck.mode=skip",
        # An emulated machine on a busy host is late with the ticks that the kernel tries its timer by.
        "no_timer_check",
        *classic,
        *recipe.install.kernel_arguments,
        "---",
    )
