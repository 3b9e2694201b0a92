"""How Anaconda speaks on the serial console and in its log, and what each line means.

The texts are those of pyanaconda's releases 29, 33, 34, 36, 38 and 40 and of dracut 049 to 059; the percentages are of
a whole installation. In cmdline mode, which imgpipe runs it in, Anaconda prints what it raises and no dialogue:
pyanaconda/errors.py (cb), exception.py and ui/tui/hubs/summary.py. It sends its log to a virtio-serial port named
LOG_CHANNEL where there is one.
"""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Trouble

LOG_CHANNEL = "org.fedoraproject.anaconda.log.0"

_COUNT = r"\((?P<done>\d{1,9})/(?P<total>\d{1,9})\)"
_WHY = r"(?P<why>.{1,200})"
"""What a line says of the cause: bounded, as a guest may print what it likes."""


def _phase(percent: float, pattern: str, label: str, until: float | None = None, *, creeps: bool = False) -> Phase:
    return Phase(pattern=pattern, label=label, percent=percent, until=until, creeps=creeps)


def _trouble(pattern: str, reason: str, *, general: bool = False, after: str = "") -> Trouble:
    return Trouble(pattern=pattern, reason=reason, general=general, after=after)


PHASES = (
    _phase(1, r"Loading .{1,100} installer\.\.\.", "the installer's kernel is up"),
    _phase(3, r"Starting installer, one moment", "the installer starts"),
    _phase(3, r"anaconda \S{1,80} for .{1,80} started", "the installer starts"),
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
    _phase(17, rf"Installing \S{{1,200}} {_COUNT}", "packages are installed", 75),
    _phase(76, r"Performing post-installation setup tasks", "packages are set up"),
    # Once for each package with a scriptlet, without a count; Anaconda 40 verifies nothing after that.
    _phase(76, r"^Configuring [^\s()/]{1,200}\.[a-z0-9_]{3,16}$", "packages are set up", 80, creeps=True),
    _phase(80, rf"Verifying \S{{1,200}} {_COUNT}", "packages are set up", 82),
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
    _trouble(r"Kernel panic - not syncing: (?P<why>.{1,200})", "The installer's kernel panicked: {why}"),
    _trouble(
        r"Fatal glibc error: CPU does not support (?P<level>x86-64-v\d)",
        "The machine's CPU model is older than {level}, which this system is built for.",
    ),
    _trouble(
        r"Entering emergency mode|Could not boot\.|Boot has failed\. To debug",
        "The installer's initramfs found no installation medium.",
        # What it looked for in vain is said behind that, where it is known.
        general=True,
    ),
    # What dracut lists from 055 on, one hook a line, after it has said that it gives up waiting.
    _trouble(
        r"/initqueue/finished/\S{1,200}: \"\[ -e \"(?P<device>/dev/(?!root\")[^\"\s]{1,200})\" \]",
        "The installer's initramfs waits for a device that does not come: '{device}'.",
    ),
    # Up to dracut 050, and from 055 on.
    _trouble(
        r"dracut-initqueue timeout - starting timeout scripts"
        r"|dracut-initqueue: (timeout, still waiting|starting timeout scripts)",
        "The installer's initramfs waits for a device that does not come.",
        general=True,
    ),
    _trouble(
        r"Invalid value for 'inst\.(?P<name>[^']{1,80})", "The installer refuses the kernel argument 'inst.{name}'."
    ),
    _trouble(r"Can't get kickstart from (?P<where>\S{1,200})", "The installer cannot read the kickstart from {where}."),
    _trouble(
        r"anaconda: failed to fetch (?P<what>stage2|kickstart) from (?P<where>\S{1,200})",
        "The installer cannot fetch its {what} from {where}.",
    ),
    _trouble(r"can't find (?P<what>\S{1,200})!", "The installer cannot find {what} on the medium."),
    _trouble(r"Media check failed!", "The installation medium is damaged."),
)
_KICKSTART = (
    _trouble(
        r"The following problem occurred on line (?P<line>\d{1,9}) of the kickstart",
        "The installer refuses line {line} of the kickstart.",
        general=True,
    ),
    _trouble(
        r"There was a problem reading from line (?P<line>\d{1,9}) of the kickstart",
        "The installer refuses line {line} of the kickstart.",
    ),
    _trouble(
        r"An error occurred during reading the kickstart file", "The installer refuses the kickstart.", general=True
    ),
    _trouble(r"Kickstart file .{1,200} is missing", "The installer did not find the kickstart."),
    _trouble(
        r"There was an error running the kickstart script at line (?P<line>\d{1,9})",
        "The script at line {line} of the kickstart failed.",
    ),
    # The exception that a script with --erroronfail raises has no text of its own.
    _trouble(
        r"Traceback \(",
        "The script at line {line} of the kickstart failed.",
        after=r"Error code -?\d{1,9} running the kickstart script at line (?P<line>\d{1,9})",
    ),
    _trouble(r"Anaconda installer errors begin", "The installer stopped with an error.", general=True),
    _trouble(r"Pane is dead", "The installer died."),
)
_STORAGE = (
    _trouble(r"Your BIOS-based system needs a special partition", "The disk layout lacks a biosboot partition."),
    _trouble(r"For a UEFI installation, you must include", "The disk layout lacks an EFI System Partition."),
    _trouble(r"You have not defined a root partition", "The disk layout has no root partition (/)."),
    _trouble(
        r"You have not created a bootable partition", "The disk layout has no partition that the machine can boot from."
    ),
    _trouble(
        r"Your (?P<mount>/\S{0,100}) partition is too (?P<what>small|large) for",
        "The partition of {mount} is too {what} for its file system.",
    ),
    # The suggestion of what is missing comes next.
    _trouble(
        r"No valid boot loader target device found", "The disk layout has no place for the boot loader.", general=True
    ),
    _trouble(
        r"Not enough space in file systems|Not enough disk space to download the packages",
        "The disk is too small for the packages.",
    ),
    _trouble(
        rf"([Ss]torage configuration (has )?failed|Failed to create storage layout|Failed to activate filesystems)"
        rf": {_WHY}",
        "The installer cannot lay out the disk: {why}",
    ),
    _trouble(
        r"(?i)failed to save storage configuration|storage configuration (has )?failed"
        r"|An error occurred while activating your storage configuration",
        "The installer cannot lay out the disk.",
        general=True,
    ),
    _trouble(
        rf"Bootloader installation has failed: {_WHY}|boot loader install(ation)? failed"
        r"|[Ff]ailed to write boot loader configuration",
        "The boot loader could not be installed.",
    ),
    _trouble(r"Failed to save boot loader configuration", "The installer cannot set up the boot loader.", general=True),
)
_LACKING = r"Non interactive installation failed:|Some packages, groups or modules are (missing|broken)\."
_UNRESOLVED = r"software marked for installation has errors|The software couldn't be resolved|Transaction error\b"
_SOFTWARE = (
    # Of releases 33 and 34 in their log too, where a kickstart may say that what is missing does no harm.
    _trouble(
        r"^missing (packages|groups or modules): (?P<what>.{1,200})",
        "The medium lacks packages of the recipe: {what}",
        after=_LACKING,
    ),
    _trouble(
        r"^broken (packages|groups or modules): (?P<what>.{1,200})",
        "The medium cannot satisfy packages of the recipe: {what}",
        after=_LACKING,
    ),
    _trouble(
        r"Some packages, groups or modules are (?P<state>missing|broken)\.",
        "Some packages of the recipe are {state} on the medium.",
        general=True,
    ),
    _trouble(
        rf"^Problem( \d{{1,4}})?: {_WHY}", "The medium cannot satisfy the recipe's packages: {why}", after=_UNRESOLVED
    ),
    _trouble(_UNRESOLVED, "The medium cannot satisfy the recipe's packages.", general=True),
    _trouble(r"Error checking software selection", "The medium cannot satisfy the recipe's packages."),
    _trouble(
        rf"Failed to download the following packages: {_WHY}",
        "Packages cannot be read from the medium, which may be damaged: {why}",
    ),
    _trouble(
        rf"(An error occurred during the transaction|DNF error): {_WHY}", "A package could not be installed: {why}"
    ),
    _trouble(
        r"An error occurred during the transaction|DNF error:|DNF installation has ended up abruptly"
        r"|The transaction process has ended|Error in POSTIN scriptlet in rpm package"
        r"|The following error occurred while installing",
        "A package could not be installed.",
    ),
    _trouble(
        r"Error setting up (software source|(the )?repositories)|Payload setup error|Found no CD-ROM"
        r"|No base repo configured",
        "The installer finds no packages on the medium.",
    ),
    _trouble(rf"\bPayloadError: {_WHY}", "The installer cannot use its source of packages: {why}"),
    _trouble(
        r"Error enabling service (?P<name>[^\s:]{1,100}): ",
        "The service '{name}' could not be enabled; most likely no package that is installed has it.",
    ),
)
_SPOKES = r"The following mandatory spokes are not completed"
# In cmdline mode, whatever is wrong with the disk or the packages ends as a screen that a person has not visited.
_UNVISITED = (
    _trouble(r"^Software selection\.?$", "The medium cannot satisfy the recipe's packages.", after=_SPOKES),
    _trouble(r"^Installation source\.?$", "The installer finds no packages on the medium.", after=_SPOKES),
    _trouble(r"^Installation Destination\.?$", "The installer refuses the disk layout.", after=_SPOKES),
    _trouble(
        r"^(?!The installer will now)(?P<title>[A-Z][\w ]{2,40})\.?$",
        "The kickstart leaves '{title}' for a person to decide.",
        after=_SPOKES,
    ),
)
_GENERAL = (
    _trouble(
        r"The installation was stopped due to|An unknown error has occured"
        r"|Running in cmdline mode, no interactive debugging allowed",
        "The installer stopped with an error.",
        general=True,
    ),
    _trouble(r"crashed on signal", "The installer crashed."),
    _trouble(r"requires (?P<amount>\d{1,9}) MB of memory to install", "The installer needs {amount} MB of memory."),
    _trouble(_SPOKES, "The kickstart leaves something for a person to decide.", general=True),
    _trouble(r"Out of memory:", "The machine ran out of memory."),
)
# What no pattern above knows, said in the installer's own words; so these come last.
_OWN_WORDS = (
    _trouble(rf"Non interactive installation failed: (?!Problems in request:){_WHY}", "The installer stopped: {why}"),
    _trouble(
        rf"^{_WHY}",
        "The installer refuses line {line} of the kickstart: {why}",
        after=r"The following problem occurred on line (?P<line>\d{1,9}) of the kickstart file:$",
    ),
    _trouble(
        rf"^{_WHY}", "The installer cannot lay out the disk: {why}", after=r"^Failed to save storage configuration$"
    ),
    _trouble(
        rf"^{_WHY}",
        "The installer cannot set up the boot loader: {why}",
        after=r"^Failed to save boot loader configuration$",
    ),
    _trouble(r"Traceback \(", "The installer crashed.", general=True),
    _trouble(
        r"^(?!The installer will now terminate|.{1,40}: Problems in request:)(?P<why>\W{0,5}\w.{0,200})",
        "The installer stopped: {why}",
        after=r"The exact error message is:$",
    ),
)

CONSOLE = Console(
    phases=PHASES,
    troubles=(*_BOOT, *_KICKSTART, *_STORAGE, *_SOFTWARE, *_UNVISITED, *_GENERAL, *_OWN_WORDS),
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
