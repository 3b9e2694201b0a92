"""The answer to `prepare`: everything that is particular about installing one recipe by kickstart."""

from __future__ import annotations

from shlex import quote

from imgpipe.errors import RecipeError
from imgpipe.os_family import AnswerFile, Fault, Hardware, KernelBoot, Order, Personalise, Seed, Unattended
from imgpipe.recipe import Recipe
from imgpipe_el.checks import checks
from imgpipe_el.console import CONSOLE
from imgpipe_el.kickstart.proof import proof_of
from imgpipe_el.kickstart.render import CLASSIC_NAMES, CONSOLE_ARGUMENT, render_kickstart, with_proof
from imgpipe_el.kickstart.storage import disk_layout, disk_name
from imgpipe_el.lint import lint_kickstart
from imgpipe_el.operations import OPERATIONS
from imgpipe_el.options import ElOptions
from imgpipe_el.release import Release
from imgpipe_el.systems import release_of

HARDWARE = Hardware(disk_bus="virtio", cache="none", nic_model="virtio")
VOLUME_ID = "ks"
FILE_NAME = "ks.cfg"

_ARGUMENTS = (
    # By label and not `cdrom:`, with which a missing file is waited for without end.
    f"inst.ks=hd:LABEL={VOLUME_ID}:/{FILE_NAME}",
    "inst.stage2=hd:LABEL={volume_id}",
    "inst.cmdline",
    "inst.wait_for_disks=0",
    "inst.nosave=all_ks",
    "rd.emergency=poweroff",
    "rd.shell=0",
    "panic=30",
    "no_timer_check",
)


def prepare(order: Order) -> Unattended:
    """Decide how the order's recipe is installed, by kickstart on a second CD."""
    return prepare_kickstart(order, release_of(order.system.name))


def prepare_kickstart(order: Order, release: Release) -> Unattended:
    """Decide how the order's recipe is installed as `release`.

    Raises RecipeError for what the release cannot do, and for an own answer file that has errors.
    """
    recipe = order.recipe
    own = order.own_answer_file
    if own is None:
        options = order.options if isinstance(order.options, ElOptions) else ElOptions()
        text, word = render_kickstart(order, release, options, disk_name(HARDWARE))
    else:
        _refuse_faulty(own, release, recipe)
        text, word = with_proof(own)
    return Unattended(
        seed=Seed(files=(AnswerFile(name=FILE_NAME, text=text),), place="iso", volume_id=VOLUME_ID),
        boot=_boot(recipe, release),
        hardware=HARDWARE,
        console=CONSOLE,
        proof=proof_of(word),
        operations=OPERATIONS,
        checks=tuple(checks(recipe)) if own is None else (),
        personalise=Personalise(way="first-boot", network=release.network_profiles),
        disk_layout=disk_layout(recipe, release) if own is None else (),
    )


def _boot(recipe: Recipe, release: Release) -> KernelBoot:
    names = CLASSIC_NAMES if recipe.guest.classic_nic_names else ()
    extra = recipe.install.kernel_arguments
    for argument in extra:
        if argument.startswith(("inst.ks", "ks=")):
            raise RecipeError(
                f"The kernel argument '{argument}' would replace the recipe's own kickstart.",
                hint="Name your kickstart in 'install.answer_file'.",
            )
        if argument == "selinux=0" and recipe.guest.selinux != "off":
            raise RecipeError(
                "The installer takes its kernel argument 'selinux=0' over into the image.",
                hint="Set 'guest.selinux' to 'off', or drop the argument.",
            )
    return KernelBoot(
        kernel=release.kernel_paths,
        initrd=release.initrd_paths,
        arguments=(*_ARGUMENTS, *names, CONSOLE_ARGUMENT, *extra),
    )


def _refuse_faulty(text: str, release: Release, recipe: Recipe) -> None:
    faults = lint_kickstart(text, release, recipe.machine.firmware)
    if any(fault.severity == "error" for fault in faults):
        raise RecipeError(
            f"The kickstart '{recipe.install.answer_file}' has errors.",
            hint=f"Correct the lines marked 'error'; 'imgpipe lint {quote(recipe.install.answer_file or '')} --os "
            f"{release.system.name}' shows them again.",
            details=tuple(_shown(fault) for fault in faults),
        )


def _shown(fault: Fault) -> str:
    where = f"line {fault.line}: " if fault.line else ""
    return f"{where}{fault.severity}: {fault.text}"
