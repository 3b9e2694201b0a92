"""What is particular about sealing and checking an Ubuntu image.

subiquity leaves the image so that cloud-init takes only the installer's own data at the first boot and then switches
itself off (canonical/subiquity, models/subiquity.py and models/network.py). In a clone that must be undone: cloud-init
shall run where there is a NoCloud medium, and nowhere else.
"""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove, WriteFile
from imgpipe.os_family import Check
from imgpipe.recipe import Recipe

_LEFTOVERS = (
    "/etc/cloud/cloud.cfg.d/99-installer.cfg",
    "/etc/cloud/cloud.cfg.d/20-disable-cc-dpkg-grub.cfg",
    "/etc/cloud/cloud.cfg.d/90-installer-network.cfg",
    "/etc/cloud/cloud.cfg.d/50-curtin-networking.cfg",
    "/etc/cloud/cloud.cfg.d/*subiquity-disable-cloudinit-networking.cfg",
    "/etc/cloud/clean.d/99-installer",
    "/etc/cloud/cloud-init.disabled",
    "/etc/cloud/ds-identify.cfg",
    "/etc/netplan/00-installer-config*.yaml",
    "/etc/apt/apt.conf.d/90curtin-aptproxy",
    "/var/lib/cloud/*",
    "/var/lib/imgpipe/target.sh",
    "/var/log/cloud-init*.log",
    "/var/log/installer",
    "/var/crash/*",
)

# One line, as ds-identify reads it, and two names: with one alone it would start cloud-init without looking for the
# medium. Two that are found nowhere leave cloud-init off, and the template's own network as it is. The name sorts
# after Debian's 90_dpkg.cfg, because the last list wins.
_CLOUD_CONFIG = """\
# Written by imgpipe: cloud-init runs only where a machine brings a NoCloud or ConfigDrive medium.
datasource_list: [ NoCloud, ConfigDrive ]
users: []
disable_root: false
preserve_hostname: false
"""

OPERATIONS = (
    Operation(
        name="ubuntu-installer",
        description="Remove what subiquity left for a first boot, and let cloud-init take a clone's NoCloud medium.",
        steps=(
            Remove(patterns=_LEFTOVERS),
            WriteFile(path="/etc/cloud/cloud.cfg.d/99-imgpipe.cfg", content=_CLOUD_CONFIG),
        ),
        sealed=(Absent(patterns=_LEFTOVERS),),
    ),
)


def checks(recipe: Recipe) -> tuple[Check, ...]:
    """Return what must hold in a booted clone, beyond what the core checks; account names need no quoting."""
    found = [
        Check(name="netplan accepts its configuration", script="netplan get >/dev/null"),
        Check(name="sshd accepts its configuration", script="mkdir -p /run/sshd && /usr/sbin/sshd -t"),
        Check(
            name="cloud-init takes a NoCloud medium",
            script="grep -qx 'datasource_list: \\[ NoCloud, ConfigDrive \\]' /etc/cloud/cloud.cfg.d/99-imgpipe.cfg"
            " && ! test -e /etc/cloud/cloud-init.disabled",
        ),
    ]
    found += [
        Check(name=f"the account {user.name} exists", script=f"getent passwd {user.name} >/dev/null")
        for user in recipe.guest.users
    ]
    return tuple(found)
