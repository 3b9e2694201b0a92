"""How subiquity's lines on the serial console are read.

Sources: canonical/subiquity, client/client.py (what the non-interactive client prints), server/controllers and
the names of its curtin steps; casper and the kernel for what comes before. Percentages are estimates.
"""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Trouble

# Every part of the installer first reads its answers and later acts on them, which is no step of the installation;
# server/controller.py names these contexts, and a client shows all of them from the start.
_NO_ANSWERS = r"(?!(load|setup|apply)_)"

_BOOT_TROUBLES = (
    Trouble(pattern=r"Kernel panic - not syncing: (?P<why>.{0,200})", reason="The installer's kernel panicked: {why}."),
    Trouble(
        pattern=r"Unable to find a (live file system|medium containing a live file system)",
        reason="The live system was not found on the medium.",
    ),
    Trouble(pattern=r"You are in emergency mode", reason="The live system fell into emergency mode."),
    Trouble(pattern=r"Out of memory: Killed process", reason="The installer ran out of memory."),
)

_SUBIQUITY_TROUBLES = (
    Trouble(pattern=r"An error occurred\. Press enter to start a shell", reason="The installer stopped at an error."),
    Trouble(
        pattern=r"Malformed autoinstall in '(?P<section>[^']{1,80})'",
        reason="The installer refuses the section '{section}' of the autoinstall document.",
    ),
    Trouble(pattern=r"Malformed autoinstall", reason="The installer refuses the autoinstall document."),
    Trouble(
        pattern=r"autoinstall config did not (?P<what>mount root|create needed bootloader)",
        reason="The storage section does not fit this machine: it did not {what}.",
    ),
    Trouble(pattern=r"^finish: .{0,300}\bFAIL\b", reason="A step of the installer failed."),
    # Context.error of noble's releases: the name of the context, and what is wrong in the document.
    Trouble(
        pattern=r"^error: {1,20}subiquity/\S{1,200}: (?P<why>.{1,200})",
        reason="The installer refuses the autoinstall document: {why}",
    ),
    Trouble(pattern=r"no identity data provided", reason="The document has neither 'identity' nor 'user-data'."),
    Trouble(pattern=r"generating crash report", reason="The installer crashed."),
)

_WAITING = (
    Trouble(pattern=r"Continue with autoinstall\?", reason="The installer asks before it overwrites the disk."),
    Trouble(pattern=r"^\(initramfs\)", reason="The live system stopped in its initramfs."),
    Trouble(
        pattern=r"As the installer (is|will be) running on a serial console",
        reason="The installer found no autoinstall document and asks how to go on.",
    ),
    Trouble(pattern=r"Use UP, DOWN and ENTER keys", reason="The installer found no autoinstall document and asks."),
    Trouble(pattern=r"\blogin: {0,9}$", reason="The live system shows a login, and no installer runs."),
)

CONSOLE = Console(
    phases=(
        Phase(pattern=r"Linux version \d", label="Starting the kernel", percent=1),
        Phase(pattern=r"systemd\[1\]: .{0,80}(Hostname set to|Detected virtualization)", label="Starting", percent=4),
        Phase(pattern=r"waiting for cloud-init", label="Reading the answers", percent=8),
        Phase(pattern=r"subiquity/Early/run|running early commands", label="Starting the installer", percent=10),
        Phase(pattern=rf"subiquity/(Filesystem|Storage)/{_NO_ANSWERS}", label="Looking at the disk", percent=12),
        Phase(pattern=r"configuring apt", label="Configuring apt", percent=15),
        Phase(pattern=r"install partitioning step|stage-partitioning", label="Partitioning", percent=18),
        Phase(pattern=r"install extract step|stage-extract", label="Unpacking the system", percent=22),
        Phase(pattern=r"install curthooks step|stage-curthooks", label="Configuring the system", percent=50),
        Phase(
            pattern=r"installing[- ]kernel|cmd-curthooks/installing-kernel", label="Installing the kernel", percent=58
        ),
        Phase(pattern=r"install-grub|installing grub", label="Installing the boot loader", percent=74),
        Phase(pattern=r"final system configuration", label="Finishing the system", percent=80),
        Phase(pattern=r"/postinstall/install_[a-z0-9]", label="Installing packages", percent=82),
        Phase(pattern=r"configuring cloud-init", label="Configuring cloud-init", percent=88),
        Phase(pattern=r"downloading and installing (security|all) updates", label="Installing updates", percent=90),
        Phase(pattern=r"subiquity/Late/run", label="Running the late commands", percent=93),
        Phase(pattern=r"subiquity/Shutdown/(copy_logs_to_target|shutdown)", label="Shutting down", percent=99),
    ),
    troubles=_BOOT_TROUBLES + _SUBIQUITY_TROUBLES,
    waiting=_WAITING,
    # Both are ordinary under emulation.
    benign=(r"soft lockup", r"^Call Trace:"),
)
