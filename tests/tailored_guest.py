"""The demo's image with other settings in it, and what a machine made from it says on its console."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from imgpipe.adapters import qemu_img
from imgpipe.adapters.guest import open_disk
from imgpipe.adapters.machines import Machines
from imgpipe.offline_edits import Step, Symlink, WriteFile

# Bounds every wait; a boot under emulation on a loaded machine stays below it.
_LONGEST_S = 1500
_BOOT_LOADER = "/boot/grub/grub.cfg"
TELLER = "told.service"
_TELLER_UNIT = """[Unit]
Description=Tell the test what this machine is, and switch it off
After=basic.target {after}

[Service]
ExecStart=/bin/sh /usr/local/sbin/tell
"""
# Nothing else is needed, and each service costs seconds of an emulated boot.
_TARGET = f"""[Unit]
Description=What the test wants to know of
Requires=basic.target
Wants={TELLER} {{wants}}
After=basic.target
AllowIsolate=yes
"""
_SCRIPT = """PATH=/usr/sbin:/usr/bin:/sbin:/bin
{{ echo TELL-BEGIN; {{
{script}
}}; echo TELL-END; }} > /tmp/told 2>&1
# A line that something else was printing on is none of ours.
for again in 1 2; do sed 's/^/TOLD /' /tmp/told > /dev/ttyS0; sleep 1; done
systemctl poweroff
"""


def tailored(image: Path, disk: Path, steps: Iterable[Step], boots: Callable[[str], str] = str) -> None:
    """Make `disk`, an overlay of the image with the edits; `boots` changes what its boot loader is told.

    Of the demo's kernel arguments, those that name NICs in the old way and that lengthen waits are left out.
    """
    qemu_img.create_overlay(disk, image)
    with open_disk(disk, accelerator="tcg") as guest:
        told = (guest.read(_BOOT_LOADER) or b"").decode()
        assert "systemd.default_device_timeout_sec=900" in told
        changed = boots(told.replace("systemd.default_device_timeout_sec=900", "").replace("net.ifnames=0", ""))
        guest.apply((*steps, WriteFile(path=_BOOT_LOADER, content=changed)))


def telling(script: str, services: str) -> tuple[Step, ...]:
    """Return edits by which a machine starts the services, tells the script's output and switches itself off."""
    return (
        WriteFile(path="/usr/local/sbin/tell", content=_SCRIPT.format(script=script)),
        WriteFile(path=f"/etc/systemd/system/{TELLER}", content=_TELLER_UNIT.format(after=services)),
        WriteFile(path="/etc/systemd/system/told.target", content=_TARGET.format(wants=services)),
        Symlink(path="/etc/systemd/system/default.target", target="/etc/systemd/system/told.target"),
    )


def told_by(machines: Machines, uri: str, name: str) -> list[str]:
    """Start a machine that tells; return its lines once it has switched itself off."""
    shown = b""
    machines.start(name, paused=True)
    try:
        console = machines.open_console(name)
        assert console is not None
        subprocess.run(["virsh", "--quiet", "--connect", uri, "resume", name], check=True, timeout=60)
        end = time.monotonic() + _LONGEST_S
        while name in machines.active() or not console.ended:
            assert time.monotonic() < end, f"'{name}' did not tell and switch itself off: {shown[-2000:]!r}"
            shown += console.read()
            time.sleep(0.2)
    finally:
        # Shown where the test fails.
        print(shown[-8000:].decode(errors="replace"))
        machines.force_stop(name)
    lines = re.findall(r"TOLD (.*?)\s*$", shown.decode(errors="replace"), re.MULTILINE)
    assert "TELL-END" in lines, shown[-2000:]
    return lines[lines.index("TELL-BEGIN") + 1 : lines.index("TELL-END")]
