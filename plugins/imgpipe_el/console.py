"""How Anaconda speaks on the serial console and in its log, and what each line means.

The texts are those of pyanaconda's releases 33, 34 and 40; the percentages are of a whole installation. Anaconda sends
its log to a virtio-serial port named LOG_CHANNEL where there is one.
"""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Trouble

LOG_CHANNEL = "org.fedoraproject.anaconda.log.0"

_COUNT = r"\((?P<done>\d+)/(?P<total>\d+)\)"


def _phase(percent: float, pattern: str, label: str, until: float | None = None) -> Phase:
    return Phase(pattern=pattern, label=label, percent=percent, until=until)


def _trouble(pattern: str, reason: str, *, general: bool = False) -> Trouble:
    return Trouble(pattern=pattern, reason=reason, general=general)


PHASES = (
    _phase(1, r"Loading .+ installer\.\.\.", "the installer's kernel is up"),
    _phase(3, r"Starting installer, one moment", "the installer starts"),
    _phase(3, r"anaconda \S+ for .+ started", "the installer starts"),
    # Said before %pre scripts, and again before %pre-install scripts.
    _phase(4, r"Running pre-installation scripts|imgpipe: the kickstart was read", "the kickstart was read"),
    _phase(5, r"Starting automated install", "the devices are probed"),
    _phase(7, r"(Saving|Checking) storage configuration", "the disk layout is checked"),
    _phase(10, r"Setting up the installation environment|Configuring storage", "the disk is laid out"),
    _phase(14, r"Running pre-installation tasks", "the disk is laid out"),
    _phase(15, r"imgpipe: the disk is ready", "the disk is ready"),
    _phase(
        16,
        r"Installing\.$|Installing the software|Downloading packages|Preparing transaction from",
        "the packages are resolved",
    ),
    _phase(17, rf"Installing \S+ {_COUNT}", "packages are installed", 75),
    _phase(76, r"Performing post-installation setup tasks", "packages are set up"),
    _phase(76, rf"(Configuring|Verifying) \S+ {_COUNT}", "packages are set up", 82),
    _phase(82, r"Installing boot loader", "the boot loader is installed"),
    _phase(84, r"Configuring installed system", "the system is configured"),
    _phase(85, r"Writing network configuration", "the system is configured"),
    _phase(86, r"Creating users", "the system is configured"),
    _phase(88, r"Configuring addons", "the system is configured"),
    _phase(90, r"Generating initramfs", "the initramfs is made"),
    _phase(95, r"Storing configuration files|Running post-installation scripts", "the post-installation scripts run"),
    _phase(96, r"imgpipe: the packages are installed", "the recipe's settings are written"),
    _phase(99, r"imgpipe: the settings are written", "the recipe's settings are written"),
    _phase(100, r"IMGPIPE-INSTALL-OK|Complete!$|Installation complete", "the installation is complete"),
)

_BOOT = (
    _trouble(r"Kernel panic - not syncing: (?P<why>.+)", "The installer's kernel panicked: {why}"),
    _trouble(
        r"Fatal glibc error: CPU does not support (?P<level>x86-64-v\d)",
        "The machine's CPU model is older than {level}, which this system is built for.",
    ),
    _trouble(r"Entering emergency mode|Could not boot\.", "The installer's initramfs found no installation medium."),
    _trouble(
        r"dracut-initqueue timeout - starting timeout scripts",
        "The installer's initramfs waits for a device that does not come.",
    ),
    _trouble(r"Invalid value for 'inst\.(?P<name>[^']*)", "The installer refuses the kernel argument 'inst.{name}'."),
    _trouble(r"Can't get kickstart from (?P<where>\S+)", "The installer cannot read the kickstart from {where}."),
    _trouble(r"can't find (?P<what>\S+)!", "The installer cannot find {what} on the medium."),
    _trouble(r"Media check failed!", "The installation medium is damaged."),
)
_KICKSTART = (
    _trouble(
        r"The following problem occurred on line (?P<line>\d+)",
        "The installer refuses line {line} of the kickstart.",
    ),
    _trouble(r"An error occurred during reading the kickstart file", "The installer refuses the kickstart."),
    _trouble(r"Kickstart file .+ is missing", "The installer did not find the kickstart."),
    _trouble(
        r"There was an error running the kickstart script at line (?P<line>\d+)",
        "The script at line {line} of the kickstart failed.",
    ),
    _trouble(r"Anaconda installer errors begin", "The installer stopped with an error.", general=True),
    _trouble(r"Pane is dead", "The installer died."),
)
_STORAGE = (
    _trouble(r"Your BIOS-based system needs a special partition", "The disk layout lacks a biosboot partition."),
    _trouble(r"Not enough space in file systems", "The disk is too small for the packages."),
    _trouble(
        r"(?i)failed to save storage configuration|storage configuration (has )?failed"
        r"|An error occurred while activating your storage configuration",
        "The installer cannot lay out the disk.",
    ),
)
_SOFTWARE = (
    _trouble(
        r"Some packages, groups or modules are (?P<state>missing|broken)",
        "Some packages of the recipe are {state} on the medium.",
    ),
    _trouble(r"Error checking software selection", "The medium cannot satisfy the recipe's packages."),
    _trouble(
        r"Error setting up (the )?repositories|Payload setup error|Found no CD-ROM",
        "The installer finds no packages on the medium.",
    ),
    _trouble(
        r"An error occurred during the transaction|DNF error:|DNF installation has ended up abruptly"
        r"|Error in POSTIN scriptlet in rpm package|The following error occurred while installing",
        "A package could not be installed.",
    ),
)
_GENERAL = (
    _trouble(
        r"The installation was stopped due to|An unknown error has occured"
        r"|Running in cmdline mode, no interactive debugging allowed",
        "The installer stopped with an error.",
        general=True,
    ),
    _trouble(r"Traceback \(", "The installer crashed.", general=True),
    _trouble(r"crashed on signal", "The installer crashed."),
    _trouble(r"requires (?P<amount>\d+) MB of memory to install", "The installer needs {amount} MB of memory."),
    _trouble(
        r"The following mandatory spokes are not completed", "The kickstart leaves something for a person to decide."
    ),
    _trouble(r"Out of memory:", "The machine ran out of memory."),
)

CONSOLE = Console(
    phases=PHASES,
    troubles=(*_BOOT, *_KICKSTART, *_STORAGE, *_SOFTWARE, *_GENERAL),
    waiting=(
        _trouble(
            r"Please make a selection from the above|Press ENTER to"
            r"|Would you like to ignore this and continue with installation\?|Enter 'b' to ignore the warning",
            "The installer asks a question that nobody will answer.",
        ),
        _trouble(r"Please insert CDROM containing", "The installer waits for a CD with the kickstart."),
    ),
    # Seen in installations that end well; lock-ups are what emulation without KVM looks like to the guest.
    benign=(r"no suitable images", r"soft lockup", r"Call Trace:"),
    log_channel=LOG_CHANNEL,
)
