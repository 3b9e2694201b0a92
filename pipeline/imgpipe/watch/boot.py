"""How an installed Linux speaks on its console while it boots."""

from __future__ import annotations

from imgpipe.os_family import Console, Phase, Proof, Trouble

BOOT = Console(
    phases=(
        Phase(pattern=r"Linux version", label="the kernel starts", percent=5),
        Phase(pattern=r"systemd\[1\]|Welcome to ", label="the system starts", percent=15),
        Phase(pattern=r"Reached target .*(Multi-User|multi-user)|\blogin:", label="the system is up", percent=50),
    ),
    troubles=(
        # Up to systemd 228 it bids welcome; dracut's has no root file system yet.
        Trouble(
            pattern=r"(You are in|Welcome to) (emergency|rescue) mode|Started .*Emergency Shell",
            reason="It fell into emergency mode.",
        ),
        Trouble(
            pattern=r"Entering emergency mode|ALERT! .*Dropping to a shell|Starting .*Dracut Emergency Shell"
            r"|dracut: (FATAL|Refusing to continue)",
            reason="It stopped in its initramfs.",
        ),
        Trouble(pattern=r"Failed to start .*Switch Root", reason="Its root file system could not be mounted."),
        Trouble(pattern=r"error: no such (device|partition)|grub rescue>", reason="Its boot loader finds no system."),
        Trouble(pattern=r"No bootable device|BdsDxe: No bootable option", reason="Its disk does not boot."),
    ),
    waiting=(
        Trouble(pattern=r"^\(initramfs\)|^dracut:/", reason="It stopped in its initramfs."),
        Trouble(pattern=r"^(Give root password|Press Enter) for maintenance", reason="It fell into emergency mode."),
        Trouble(pattern=r"^grub>", reason="It stopped in its boot loader."),
    ),
)
NO_PROOF = Proof(console="", failure="", file="", content="")
"""A boot proves nothing by a line."""
