"""The installation, from the kickstart to the power switch."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import NoReturn

from pykickstart.constants import DISPLAY_MODE_CMDLINE, KS_REBOOT, KS_SHUTDOWN

from . import bootloader, mounts, network, payload, scripts, storage, system
from .answers import KICKSTART, Kickstart, handler_name, read_kickstart, read_scripts
from .console import LOG, Console
from .ending import leave, wait_for_ever
from .errors import InstallError, KickstartError
from .faults import Faults
from .layout import LayoutError
from .options import BootOptions, parse_options
from .programs import SYSROOT, CommandError

_NAME = "imgpipe stand-in 1"
_RULE = "=" * 80
# Anaconda waits 180 s, so that a person can read the error.
_TIME_TO_READ_S = 5
_STOPPED = """The installation was stopped due to an error which occurred while running in \
non-interactive cmdline mode.
Since there can be no questions in cmdline mode, edit your kickstart file and retry installation.
The exact error message is:

{error}.

The installer will now terminate."""


def main() -> None:
    """Install as the kickstart says; ends by the power switch, or returns as a dying Anaconda does."""
    console = Console()
    options = parse_options(Path("/proc/cmdline").read_text())
    faults = Faults(options.faults, console)
    _greet(console)
    faults.at_start()
    try:
        kickstart = _read(options, console)
    except KickstartError as error:
        console.say(f"\n{error}\n\nPane is dead")
        wait_for_ever()
    if kickstart is None:
        console.ask("1) Use text mode\n2) Help\n\nPlease make a selection from the above ['c' to continue]: ")
        wait_for_ever()
    try:
        _install(kickstart, options, console, faults)
    except (InstallError, LayoutError, CommandError) as error:
        _stop(error, kickstart, options, console)
    _finish(kickstart, console)


def _greet(console: Console) -> None:
    console.say(f"anaconda stand-in 1 for {_NAME} started.")
    console.say(" * this is not Anaconda: it is imgpipe's stand-in, and installs a small Debian system")
    console.say(" * installation log files are stored in /tmp during the installation")


def _read(options: BootOptions, console: Console) -> Kickstart | None:
    if not KICKSTART.exists():
        return None
    version = handler_name(KICKSTART.read_text(errors="replace"), options.handler)
    try:
        scripts.run_scripts(read_scripts(KICKSTART), scripts.PRE, console)
    except InstallError as error:
        raise KickstartError(str(error)) from None
    return read_kickstart(KICKSTART, version)


def _install(kickstart: Kickstart, options: BootOptions, console: Console, faults: Faults) -> None:
    uefi = Path("/sys/firmware/efi").exists()
    console.say("Starting automated install....")
    console.say("Saving storage configuration...")
    scheme = _plan_storage(kickstart, faults, uefi=uefi)
    console.say("Checking storage configuration...")
    payload.check_selection(kickstart, console)
    console.say(f"\n{_RULE}\n{_RULE}\nProgress\n\nSetting up the installation environment")
    console.say("Configuring storage")
    disks = storage.make(scheme, console)
    mounts.mount(disks)
    console.say("Running pre-installation scripts")
    scripts.run_scripts(kickstart, scripts.PRE_INSTALL, console)
    console.say("Running pre-installation tasks\nInstalling.\nStarting package installation process")
    console.say("Downloading packages\nPreparing transaction from installation source")
    payload.install(console, faults.while_installing)
    console.say("Performing post-installation setup tasks")
    payload.verify(console)
    mounts.write_fstab(disks)
    console.say("Installing boot loader")
    bootloader.install(kickstart, options, disks, uefi=uefi)
    console.say("Configuring installed system")
    system.configure(kickstart, console)
    console.say("Writing network configuration")
    network.write(kickstart, console)
    console.say("Creating users")
    system.make_users(kickstart, console)
    console.say("Configuring addons")
    # The root file system brings an initramfs that suits every machine.
    console.say("Generating initramfs")
    console.say("Storing configuration files and kickstarts")
    _store_logs()
    console.say("Running post-installation scripts")
    scripts.run_scripts(kickstart, scripts.POST, console)
    faults.in_scripts()
    shutil.copy(LOG, SYSROOT / "var/log/anaconda/anaconda.log")
    mounts.unmount(disks)
    console.say("Installation complete")


def _plan_storage(kickstart: Kickstart, faults: Faults, *, uefi: bool) -> storage.Scheme:
    faults.in_storage()
    try:
        return storage.plan_scheme(kickstart, uefi=uefi)
    except LayoutError as error:
        raise InstallError(f"Storage configuration has failed:\n{error}") from None


def _store_logs() -> None:
    folder = SYSROOT / "var/log/anaconda"
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if "inst.nosave=all_ks" not in Path("/proc/cmdline").read_text():
        for name in ("original-ks.cfg", "anaconda-ks.cfg"):
            shutil.copy(KICKSTART, SYSROOT / "root" / name)
            (SYSROOT / "root" / name).chmod(0o600)


def _stop(error: Exception, kickstart: Kickstart, options: BootOptions, console: Console) -> NoReturn:
    console.log(str(error), level="ERR")
    mode = kickstart.displaymode
    if not (options.cmdline or mode.displayMode == DISPLAY_MODE_CMDLINE or getattr(mode, "nonInteractive", False)):
        console.say(f"\n{_RULE}\nError\n\n{error}\n")
        scripts.run_scripts(kickstart, scripts.ON_ERROR, console)
        console.ask("Press ENTER to exit: ")
        wait_for_ever()
    console.say("\n" + _STOPPED.format(error=error))
    scripts.run_scripts(kickstart, scripts.ON_ERROR, console)
    scripts.run_scripts(kickstart, scripts.TRACEBACK, console)
    time.sleep(_TIME_TO_READ_S)
    _finish(kickstart, console)


def _finish(kickstart: Kickstart, console: Console) -> NoReturn:
    action = kickstart.reboot.action
    if action == KS_SHUTDOWN:
        leave("poweroff")
    if action == KS_REBOOT:
        leave("reboot")
    console.ask("Installation complete. Press ENTER to quit: ")
    leave("reboot")
