"""What an emulated Linux is given before it boots: longer waits, because a busy host emulates slowly.

systemd waits 90 s for a disk and for a service, and falls into emergency mode after that.
"""

from __future__ import annotations

import os

from imgpipe.domain_spec import Accelerator
from imgpipe.offline_edits import Step, WriteFile

WAIT_SECONDS = 600
"""How long an emulated boot waits for a device or a service, in seconds."""

DROP_IN = "/etc/systemd/system.conf.d/zz-imgpipe-emulated.conf"
"""The path in a guest of the manager's configuration; its name sorts last, so that it wins."""

# DefaultDeviceTimeoutSec came with systemd 252; before it, a device's job ended by DefaultTimeoutStartSec, and the
# key that is not known is passed over with a warning.
_CONTENT = f"""[Manager]
DefaultTimeoutStartSec={WAIT_SECONDS}
DefaultDeviceTimeoutSec={WAIT_SECONDS}
"""


def patient_steps(accelerator: Accelerator) -> tuple[Step, ...]:
    """Return the edits of an overlay that let an emulated system wait longer; none under KVM.

    They must never reach an image. The initramfs has read its own configuration before, so that its wait for the
    root file system stays what it is.
    """
    return (WriteFile(path=DROP_IN, content=_CONTENT),) if accelerator == "tcg" else ()


def lateness(device: str, accelerator: Accelerator) -> str:
    """Return what is to be said of a guest for which a device came too late; `device` is '' for one without a name.

    Under emulation the host was most likely too slow, and nothing is wrong with the guest.
    """
    named = f"Its device '{device}'" if device else "A device of it"
    if accelerator != "tcg":
        return f"{named} did not appear in time."
    load = f"with a load of {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
    return f"{named} did not appear in time. The host was most likely too slow: it emulates, {load}."
