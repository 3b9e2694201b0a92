"""What the installer's lines mean: the texts of each release's Anaconda and dracut, and what imgpipe says of them."""

import re

import pytest

from imgpipe_el.console import CONSOLE
from installer_words import judged, patterns_needed, reason

PHASES = [
    ("Loading Rocky Linux 9.7 x86_64 installer...", 1),
    ("Starting installer, one moment...", 3),
    ("anaconda 34.25.7.19-1.el9.rocky.0.1 for Rocky Linux 9.7 started.", 3),
    ("Starting automated install....", 5),
    ("imgpipe: the kickstart was read", 4),
    ("Checking storage configuration...", 7),
    ("Setting up the installation environment", 10),
    ("Running pre-installation scripts", 4),
    ("Running pre-installation tasks", 14),
    ("imgpipe: the disk is ready", 15),
    ("Installing.", 16),
    ("Installing the software", 16),
    ("Installing bash.x86_64 (100/400)", 17),
    ("Performing post-installation setup tasks", 76),
    ("Configuring kernel-core.x86_64", 76),
    ("Configuring NetworkManager-libnm.x86_64", 76),
    ("Verifying zlib.x86_64 (12/400)", 80),
    ("Installing boot loader", 82),
    ("Configuring installed system", 84),
    ("Writing network configuration", 85),
    ("Generating initramfs", 90),
    ("Running post-installation scripts", 95),
    ("imgpipe: the packages are installed", 96),
    ("IMGPIPE-INSTALL-OK 0123456789abcdef", 100),
]
ALL = "29 33 34 36 38 40"
NON_INTERACTIVE = (
    "The installation was stopped due to an error which occurred while running in non-interactive cmdline mode. "
    "Since there cannot be any questions in cmdline mode, edit your kickstart file and retry installation. \n"
    "The exact error message is: \n\n{}. \n\nThe installer will now terminate."
)
NO_DEBUGGING = (
    "Running in cmdline mode, no interactive debugging allowed.\nThe exact error message is: \n\n{}.\n\n"
    "The installer will now terminate."
)
RAISED = NON_INTERACTIVE.format("Non interactive installation failed: {}")
UNVISITED = NON_INTERACTIVE.format("The following mandatory spokes are not completed:\n{}")
REFUSED = "An error occurred during reading the kickstart file:\n{}\n\nThe installer will now terminate."
PROBLEM = (
    "Problem: package vim-2:8.2.2637-21.el9.x86_64 requires vim-common, but none of the providers can be installed"
)
# Anaconda's releases or dracut's, what is printed, and what is said of it.
TROUBLES = [
    (
        "kernel",
        "Kernel panic - not syncing: Attempted to kill init! exitcode=0x7f",
        "panicked: Attempted to kill init!",
    ),
    ("glibc", "Fatal glibc error: CPU does not support x86-64-v2", "older than x86-64-v2"),
    (
        "dracut 049 050",
        "dracut-initqueue[512]: Warning: dracut-initqueue timeout - starting timeout scripts",
        "initramfs waits for a device that does not come.",
    ),
    (
        "dracut 055 056 057 059",
        "[  125.1] dracut-initqueue[512]: Warning: dracut-initqueue: timeout, still waiting for following initqueue "
        "hooks:\n[  125.1] dracut-initqueue[512]: Warning: /lib/dracut/hooks/initqueue/finished/kickstart.sh: "
        '"[ -e /tmp/ks.cfg.done ]"',
        "initramfs waits for a device that does not come.",
    ),
    (
        "dracut 055 056 057 059",
        "dracut-initqueue[512]: Warning: dracut-initqueue: starting timeout scripts",
        "initramfs waits for a device that does not come.",
    ),
    (
        "dracut 055 056 057 059",
        "dracut-initqueue[512]: Warning: dracut-initqueue: timeout, still waiting for following initqueue hooks:\n"
        "dracut-initqueue[512]: Warning: /lib/dracut/hooks/initqueue/finished/devexists-\\x2fdev\\x2froot.sh: "
        '"[ -e "/dev/root" ]"\n'
        "dracut-initqueue[512]: Warning: /lib/dracut/hooks/initqueue/finished/devexists-\\x2fdev\\x2fdisk.sh: "
        '"[ -e "/dev/disk/by-label/ks" ]"',
        "waits for a device that does not come: '/dev/disk/by-label/ks'.",
    ),
    (
        "dracut 049-059",
        'dracut-emergency: Warning: Boot has failed. To debug this issue add "rd.shell rd.debug" to the kernel '
        "command line.",
        "found no installation medium",
    ),
    ("dracut 049-059", "dracut-initqueue[512]: Warning: Could not boot.", "found no installation medium"),
    ("29-40", "dracut-pre-trigger: Warning: Invalid value for 'inst.stage2': x:y", "kernel argument 'inst.stage2'"),
    ("29-40", "dracut-initqueue: Warning: Can't get kickstart from sr1:/ks.cfg", "read the kickstart from sr1:/ks.cfg"),
    ("29-40", "dracut-cmdline: Warning: can't find /ks.cfg!", "cannot find /ks.cfg"),
    (
        "29-40",
        "dracut-initqueue: Warning: anaconda: failed to fetch stage2 from http://h/os",
        "cannot fetch its stage2 from http://h/os.",
    ),
    (
        "34 36 38 40",
        "dracut: Warning: ############# Anaconda installer errors begin #############\ndracut: Warning: Reason unknown",
        "The installer stopped with an error.",
    ),
    (
        "34 36 38 40",
        "dracut: Warning: ############# Anaconda installer errors begin #############\n"
        "dracut: Warning: ####     Installer errors encountered during boot:     ####\n"
        "dracut: Warning: anaconda: failed to fetch kickstart from http://h/ks.cfg",
        "cannot fetch its kickstart from http://h/ks.cfg.",
    ),
    (
        ALL,
        REFUSED.format(
            "The following problem occurred on line 17 of the kickstart file:\n\nUnknown command: frobnicate\n"
        ),
        "The installer refuses line 17 of the kickstart: Unknown command: frobnicate",
    ),
    (
        ALL,
        REFUSED.format("There was a problem reading from line 3 of the kickstart file"),
        "The installer refuses line 3 of the kickstart.",
    ),
    (ALL, REFUSED.format(""), "The installer refuses the kickstart."),
    ("29 33 34 36", "Kickstart file /run/install/ks.cfg is missing.", "did not find the kickstart"),
    (
        ALL,
        "There was an error running the kickstart script at line 61.  This is a fatal error and installation will be "
        "aborted.",
        "script at line 61",
    ),
    ("tmux", "Pane is dead", "died"),
    (
        ALL,
        "Checking storage configuration...\nYou have not defined a root partition (/), which is required for "
        "installation of Rocky Linux to continue.\n" + UNVISITED.format("Installation Destination"),
        "no root partition",
    ),
    (
        ALL,
        "You have not created a bootable partition.\n" + UNVISITED.format("Installation Destination"),
        "no partition that the machine can boot from",
    ),
    (
        ALL,
        "No valid boot loader target device found. See below for details.\nFor a UEFI installation, you must include "
        "an EFI System Partition on a GPT-formatted disk, mounted at /boot/efi.",
        "lacks an EFI System Partition",
    ),
    (
        ALL,
        "No valid boot loader target device found. See below for details.\nYour BIOS-based system needs a special "
        "partition to boot from a GPT disk label.",
        "biosboot",
    ),
    (ALL, "No valid boot loader target device found. See below for details.", "no place for the boot loader"),
    (
        ALL,
        "Your /boot partition is too small for xfs formatting (allowable size is 300 MiB to 16 EiB)",
        "The partition of /boot is too small for its file system.",
    ),
    ("29", "storage configuration failed: not enough free space on disks", "lay out the disk: not enough free space"),
    (
        "33 34 36 38 40",
        "Saving storage configuration...\nFailed to save storage configuration\nUnable to allocate requested partition "
        "scheme.\n\nThe following mandatory spokes are not completed:\nInstallation Destination",
        "cannot lay out the disk: Unable to allocate requested partition scheme.",
    ),
    ("33 34 36 38 40", "Failed to save storage configuration", "cannot lay out the disk."),
    (
        "33 34 36 38 40",
        "Saving storage configuration...\nFailed to save boot loader configuration\nUnable to find the boot drive vdb.",
        "cannot set up the boot loader: Unable to find the boot drive vdb.",
    ),
    ("33 34 36 38 40", "Failed to save boot loader configuration", "cannot set up the boot loader."),
    (ALL, UNVISITED.format("Installation Destination"), "refuses the disk layout"),
    (ALL, UNVISITED.format("Software selection"), "The medium cannot satisfy the recipe's packages."),
    (ALL, UNVISITED.format("Installation source\nSoftware selection"), "finds no packages on the medium"),
    (ALL, UNVISITED.format("User creation"), "leaves 'User creation' for a person"),
    (
        "36 38 40",
        "The following software marked for installation has errors.\nThis is likely caused by an error with your "
        f"installation source.\n\n{PROBLEM}",
        "cannot satisfy the recipe's packages: package vim-2:8.2",
    ),
    (
        "36 38 40",
        "The following software marked for installation has errors.",
        "The medium cannot satisfy the recipe's packages.",
    ),
    ("29-40", "5) [!] Software selection (Error checking software selection)", "cannot satisfy the recipe's packages."),
    (
        "29 33 34",
        RAISED.format("Problems in request:\nmissing packages: frob, nicate"),
        "The medium lacks packages of the recipe: frob, nicate",
    ),
    (
        "29 33 34",
        RAISED.format("Problems in request:\nbroken groups or modules: @frob"),
        "The medium cannot satisfy packages of the recipe: @frob",
    ),
    (
        "36 38 40",
        "Some packages, groups or modules are missing.\n\nProblems in request:\nmissing groups or modules: @frob",
        "The medium lacks packages of the recipe: @frob",
    ),
    ("36 38 40", "Some packages, groups or modules are broken.", "are broken on the medium"),
    (
        ALL,
        RAISED.format(
            "Failed to download the following packages: Cannot download Packages/b/bash.rpm: Curl error (37)"
        ),
        "may be damaged: Cannot download Packages/b/bash.rpm: Curl error (37)",
    ),
    (ALL, RAISED.format("Not enough disk space to download the packages; size 1.2 GiB"), "disk is too small"),
    (
        "40",
        "Not enough space in file systems for the current software selection. An additional 1.2 GiB is needed.",
        "disk is too small",
    ),
    (ALL, RAISED.format("boot loader install failed"), "boot loader could not be installed"),
    (ALL, RAISED.format("failed to write boot loader configuration"), "boot loader could not be installed"),
    (
        "29 33 34",
        RAISED.format("DNF error: Error in PREIN scriptlet in bash"),
        "not be installed: Error in PREIN scriptlet",
    ),
    (
        "36 38 40",
        RAISED.format("An error occurred during the transaction: The transaction process has ended abruptly: b0rked"),
        "package could not be installed: The transaction process has ended abruptly: b0rked",
    ),
    (
        "36 38",
        NO_DEBUGGING.format("The transaction process has ended abruptly: b0rked"),
        "package could not be installed.",
    ),
    (
        "29 33 34",
        NO_DEBUGGING.format("Payload error - DNF installation has ended up abruptly: b0rked"),
        "package could not be installed.",
    ),
    ("33 34 36 38", RAISED.format("Found no CD-ROM"), "finds no packages on the medium"),
    ("38 40", "3) [!] Installation source (Error setting up repositories)", "finds no packages on the medium"),
    ("29-36", "3) [!] Installation source (Error setting up software source)", "finds no packages on the medium"),
    (
        ALL,
        RAISED.format("mkfs.xfs: /dev/vda3 contains a mounted filesystem"),
        "The installer stopped: mkfs.xfs: /dev/vda3 contains a mounted filesystem",
    ),
    (ALL, NO_DEBUGGING.format("Error enabling service frobd: 1"), "The service 'frobd' could not be enabled"),
    (ALL, NO_DEBUGGING.format("[Errno 28] No space left on device"), "stopped: [Errno 28] No space left on device"),
    (ALL, NO_DEBUGGING.format(""), "The installer stopped with an error."),
    ("29-40", "Rocky Linux requires 1280 MB of memory to install, but you only have 1024 MB", "1280 MB"),
    ("29-40", "Traceback (most recent call last):", "crashed"),
    ("29-40", "anaconda: crashed on signal 11", "crashed"),
    ("kernel", "Out of memory: Killed process 1700 (anaconda)", "out of memory"),
    ("34 40", "dracut: FATAL: Media check failed!", "damaged"),
]
_AT = "20:10:11,123 ERR anaconda:anaconda: "
# The same of the log, which rsyslog writes: a message is one line.
LOGGED = [
    (
        ALL,
        f"{_AT}ui.tui.hubs.summary: CmdlineError: The following mandatory spokes are not completed:",
        "leaves something for a person to decide.",
    ),
    (
        ALL,
        f"{_AT}ui.tui.hubs.summary: CmdlineError: The following mandatory spokes are not completed:#012Time settings",
        "leaves 'Time settings' for a person to decide.",
    ),
    (
        "29-36",
        f"{_AT}packaging: PayloadError: failed to open repo base",
        "source of packages: failed to open repo base",
    ),
    ("29-36", f"{_AT}packaging: No base repo configured", "finds no packages on the medium"),
    ("29 33", f"{_AT}packaging: Payload setup error: DNFError()", "finds no packages on the medium"),
    (
        "29 33 34",
        f"20:10:11,123 WARNING anaconda:anaconda: ui.tui: Transaction error #012 {PROBLEM}",
        "The medium cannot satisfy the recipe's packages: package vim-2:8.2",
    ),
    (
        "36 38 40",
        f"{_AT}payload.dnf: The software couldn't be resolved!#012#012 {PROBLEM.replace('Problem', 'Problem 1')}",
        "The medium cannot satisfy the recipe's packages: package vim-2:8.2",
    ),
    (
        "33-40",
        f"{_AT}storage.base: Storage configuration has failed: not enough free space on disks",
        "lay out the disk: not enough free space on disks",
    ),
    (
        "34-40",
        f"{_AT}storage.installation: Failed to create storage layout: lvcreate failed",
        "lay out the disk: lvcreate failed",
    ),
    (
        "33",
        f"{_AT}storage.installation: Failed to activate filesystems: mkfs.xfs failed",
        "lay out the disk: mkfs.xfs failed",
    ),
    (
        "33-40",
        f"{_AT}bootloader: Bootloader installation has failed: grub2-install gave 1",
        "boot loader could not be installed",
    ),
    (
        "33 34",
        "20:10:11,123 CRT anaconda:anaconda: exception: Traceback (most recent call last):#012#012  File x#012#012"
        "pyanaconda.errors.NonInteractiveError: Non interactive installation failed: b0rked",
        "The installer stopped: b0rked",
    ),
    (
        ALL,
        f"{_AT}kickstart.script: Error code 1 running the kickstart script at line 9\n"
        "20:10:11,200 CRT anaconda:anaconda: exception: Traceback (most recent call last):",
        "The script at line 9 of the kickstart failed.",
    ),
    (
        ALL,
        f"{_AT}kickstart.parsing: The following problem occurred on line 5 of the kickstart file:#012#012Unknown one",
        "The installer refuses line 5 of the kickstart: Unknown one",
    ),
    (
        ALL,
        f"{_AT}kickstart.parsing: The following problem occurred on line 5 of the kickstart file:",
        "The installer refuses line 5 of the kickstart.",
    ),
]
HARMLESS = [
    "mount: /run/install/repo: no suitable images",
    "watchdog: BUG: soft lockup - CPU#1 stuck for 23s! [anaconda:1700]",
    " Call Trace:",
    "imgpipe: the settings are written",
    "[  OK  ] Reached target Basic System.",
    # An empty drive, or one with another disc, beside the installer's.
    "dracut-initqueue[512]: Warning: Couldn't mount /dev/sr1",
    # Without an error before it.
    "missing packages: frob",
    "Problem: something or other",
    "Installation source",
    "An ssh user with the name ops has already been defined.",
]
HARMLESS_IN_LOGS = [
    # With --ignoremissing.
    "DBG packaging: Some packages, groups or modules are missing or broken:#012Problems in request:#012"
    "missing packages: frob\nINF packaging: Ignoring missing packages, groups or modules.",
    # Without --erroronfail.
    "ERR script: Error code 1 running the kickstart script at line 9\nINF anaconda: All %pre scripts have run",
]


def matching(entries, line):
    return [entry for entry in entries if re.search(entry.pattern, line)]


@pytest.mark.parametrize(("line", "percent"), PHASES)
def test_progress_is_recognised(line, percent):
    (phase,) = matching(CONSOLE.phases, line)
    assert phase.percent == percent


def test_packages_are_counted():
    (phase,) = matching(CONSOLE.phases, "Installing bash.x86_64 (100/400)")
    match = re.search(phase.pattern, "Installing bash.x86_64 (100/400)")
    assert (match["done"], match["total"], phase.until) == ("100", "400", 75)


def test_packages_that_are_set_up_without_a_count_are_progress_that_never_ends():
    lines = ["Performing post-installation setup tasks", *(f"Configuring p{n}.noarch" for n in range(300))]
    found, percents = judged(CONSOLE, "\n".join(lines))
    assert found is None
    assert len(percents) == 301
    assert percents == sorted(set(percents))
    assert percents[0] == 76
    assert 77 < percents[20] < percents[300] < 80


def test_percentages_only_rise():
    percents = [phase.percent for phase in CONSOLE.phases]
    assert percents == sorted(percents)
    assert all(phase.until is None or phase.percent < phase.until <= 100 for phase in CONSOLE.phases)


@pytest.mark.parametrize(("releases", "text", "said"), TROUBLES)
def test_a_failure_on_the_console_is_said_in_a_sentence_that_names_its_cause(releases, text, said):
    assert said in (reason(CONSOLE, text) or "")
    assert patterns_needed(CONSOLE, text)


@pytest.mark.parametrize(("releases", "text", "said"), LOGGED)
def test_a_failure_in_the_log_is_said_in_a_sentence_that_names_its_cause(releases, text, said):
    assert said in (reason(CONSOLE, "", log=text) or "")
    assert patterns_needed(CONSOLE, "", log=text)


def test_every_pattern_has_a_text():
    rows = [(text, {}) for _, text, _ in TROUBLES] + [("", {"log": text}) for _, text, _ in LOGGED]
    needed = {pattern for text, more in rows for pattern in patterns_needed(CONSOLE, text, **more)}
    assert {trouble.pattern for trouble in CONSOLE.troubles} - needed == set()


@pytest.mark.parametrize("line", [line for line, _ in PHASES] + HARMLESS)
def test_ordinary_lines_are_no_failure(line):
    assert reason(CONSOLE, line) is None


@pytest.mark.parametrize("text", HARMLESS_IN_LOGS)
def test_what_the_kickstart_bears_is_no_failure(text):
    assert reason(CONSOLE, "", log=text) is None


@pytest.mark.parametrize("line", HARMLESS[:3])
def test_known_noise_is_benign(line):
    assert any(re.search(pattern, line) for pattern in CONSOLE.benign)


@pytest.mark.parametrize(
    "line",
    [
        "Please make a selection from the above ['c' to continue, 'q' to quit, 'r' to refresh]:",
        "Press ENTER to continue:",
        "Please insert CDROM containing '/ks.cfg'...",
    ],
)
def test_questions_are_waiting_and_not_failure_yet(line):
    assert matching(CONSOLE.waiting, line)
    assert reason(CONSOLE, line) is None


def test_the_log_channel_is_anacondas():
    assert CONSOLE.log_channel == "org.fedoraproject.anaconda.log.0"
