"""The answer to `prepare`: how a recipe is installed by Windows Setup."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from imgpipe.errors import PluginError, RecipeError
from imgpipe.os_family import AnswerFile, CdBoot, Hardware, Order, Personalise, Seed, Unattended
from imgpipe_windows.answer.oobe import add_oobe
from imgpipe_windows.answer.password import weaknesses
from imgpipe_windows.answer.specialize import add_specialize
from imgpipe_windows.answer.tree import AnswerTree
from imgpipe_windows.answer.windows_pe import add_windows_pe, partition_lines
from imgpipe_windows.answer.wishes import Wishes, wishes
from imgpipe_windows.clones import (
    ENABLE_ADMINISTRATOR,
    INPUT_LOCALE,
    LANGUAGE,
    OLD_WIZARD,
    REMOTE_DESKTOP,
    TIME_ZONE,
)
from imgpipe_windows.console import CONSOLE, proof
from imgpipe_windows.drivers import copies
from imgpipe_windows.leftovers import ANSWER_FILES, operations
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.proof import SEALING, SEALING_FOR_CDS, VOLUME
from imgpipe_windows.scripts import MARKER, drivers_script, first_logon_script
from imgpipe_windows.systems import RELEASES, Release

VOLUME_ID = "IMGPIPE_SEED"
ANSWER_FILE = "autounattend.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the media must hold: an image by name or number (0: by name), in a language, with the key it is for."""

    edition: str
    image_index: int
    language: str
    volume_key: bool
    unsigned_drivers_reason: str = ""


def prepare(order: Order) -> Unattended:
    """Install from the medium, booted itself; the answers, drivers and scripts come on a CD of their own.

    Raises RecipeError for what Windows cannot be made to do.
    """
    release, options = RELEASES[order.system.name], _options(order)
    wished = _wishes(order, release, options)
    return Unattended(
        seed=Seed(files=_files(order, wished), copies=copies(release), place="iso", volume_id=VOLUME_ID),
        boot=CdBoot(keys=("KEY_ENTER",)),
        hardware=_hardware(order, release, options),
        console=CONSOLE,
        proof=proof(),
        operations=operations(),
        personalise=_personalise(wished),
        disk_layout=partition_lines(order.recipe.machine.firmware),
        sealing=SEALING_FOR_CDS if options.clones == "cd" else SEALING,
        expects=Expected(
            edition=options.edition or release.edition,
            image_index=options.image_index or 0,
            language=wished.language,
            volume_key=bool(wished.key) and not order.product_key,
            unsigned_drivers_reason=options.unsigned_drivers_reason or "",
        ),
        remarks=_remarks(order, wished),
    )


def _options(order: Order) -> WindowsOptions:
    if not isinstance(order.options, WindowsOptions):
        raise PluginError(
            f"The options of '{order.system.name}' were parsed as '{type(order.options).__name__}'.",
            hint="Parse them with the type that the family names.",
        )
    return order.options


def _wishes(order: Order, release: Release, options: WindowsOptions) -> Wishes:
    wrong = []
    password = order.accounts["root"].password
    if not password:
        wrong.append("guest.root.password: Windows needs its administrator's password, in plain text and not hashed")
    else:
        wrong += [f"guest.root.password: {fault}" for fault in weaknesses(password)]
    if order.recipe.guest.keyboard != "us" and options.input_locale is None:
        wrong.append(
            f"guest.keyboard: '{order.recipe.guest.keyboard}' is a name of Linux; options.input_locale takes "
            "Windows' own, such as '0407:00000407' or 'de-DE'"
        )
    if options.secure_boot and order.recipe.machine.firmware == "bios":
        wrong.append("options.secure_boot: Secure Boot needs machine.firmware = 'uefi'")
    if options.clones == "cd" and ANSWER_FILES in order.recipe.sysprep.disable:
        wrong.append(f"sysprep.disable: '{ANSWER_FILES}' removes what clones would read before their CD")
    if wrong:
        raise RecipeError(
            f"Recipe '{order.recipe.name}' cannot be installed.",
            hint="A password comes from the file or variable that guest.root.password names, "
            "else from IMGPIPE_ROOT_PASSWORD.",
            details=wrong,
        )
    return wishes(order, release, options)


def _files(order: Order, wished: Wishes) -> tuple[AnswerFile, ...]:
    release, for_cds = wished.release, wished.options.clones == "cd"
    text = order.own_answer_file if order.own_answer_file is not None else _answer_file(order, wished)
    return (
        AnswerFile(name=ANSWER_FILE, text=text),
        AnswerFile(name=MARKER, text=f"{release.system.name}\r\n", secret=False),
        AnswerFile(name="imgpipe/drivers.cmd", text=drivers_script(release), secret=False),
        # The agent that virtio-win carries today does not start on Windows Server 2008 R2.
        AnswerFile(
            name="imgpipe/first-logon.cmd",
            text=first_logon_script(release, agent=not release.is_old, for_cds=for_cds),
            secret=False,
        ),
    )


def _answer_file(order: Order, wished: Wishes) -> str:
    # The hash is salted with the data root's own secret.
    blinding = hashlib.sha256(f"unattend/{order.accounts['root'].password_hash}".encode()).hexdigest()[:32]
    tree = AnswerTree(blinding)
    add_windows_pe(tree, wished)
    add_specialize(tree, wished)
    add_oobe(tree, wished)
    return tree.text()


def _hardware(order: Order, release: Release, options: WindowsOptions) -> Hardware:
    wanted = release.wants_tpm
    uefi = order.recipe.machine.firmware == "uefi"
    return Hardware(
        disk_bus="virtio",
        cache="writeback",
        nic_model="virtio",
        clock="localtime",
        hyperv=True,
        graphics=True,
        usb=release.usb,
        tpm=wanted if options.tpm is None else options.tpm,
        secure_boot=uefi and (wanted if options.secure_boot is None else options.secure_boot),
    )


def _personalise(wished: Wishes) -> Personalise:
    if wished.options.clones == "cd":
        return Personalise(way="unattend-cd", network="none", settings=_settings(wished))
    return Personalise(way="unattend", network="none", volume=VOLUME, settings=_settings(wished))


def _settings(wished: Wishes) -> tuple[tuple[str, str], ...]:
    """Return what the answer files of clones shall say as the template's does."""
    options = wished.options
    settings = [(TIME_ZONE, wished.zone), (LANGUAGE, wished.language), (INPUT_LOCALE, wished.input_locale)]
    if wished.release.is_old:
        settings.append((OLD_WIZARD, "yes"))
    if wished.release.kind == "client":
        settings.append((ENABLE_ADMINISTRATOR, "yes"))
    if options.remote_desktop:
        settings.append((REMOTE_DESKTOP, "1" if options.network_level_authentication else "0"))
    return tuple(settings)


def _remarks(order: Order, wished: Wishes) -> tuple[str, ...]:
    """Say what is answered, without the password and the key, and what of the recipe does not apply."""
    key = "the recipe's" if order.product_key else "Microsoft's public setup key" if wished.key else "none"
    name = wished.options.computer_name or "one that Windows makes up"
    return (
        f"image: {wished.image[0]} = {wished.image[1]}; product key: {key}",
        f"language {wished.language}, keyboard {wished.input_locale}, time zone '{wished.zone}'",
        f"computer name: {name}; Remote Desktop: {'on' if wished.options.remote_desktop else 'off'}",
        *(
            f"NIC {wanted.identifier}: {wanted.nic.address or 'DHCP'} (until it is generalized; clones get their own)"
            for wanted in wished.nics
        ),
        *(
            ["clones: told by 'Unattend.xml' on a CD of their own; never tried on real Windows"]
            if wished.options.clones == "cd"
            else []
        ),
        "guest.packages, services, sysctl, limits, sshd, selinux and disk.* are of Linux and do not apply",
    )
