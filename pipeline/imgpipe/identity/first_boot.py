"""What an image gets at the end of its making, so that machines made from it need no appliance.

Two units: one applies the identity of the machine's definition before anything needs it, one reports to the host.
A machine that was started by hand has no identity: the first then grows its disk and lets its NICs ask by DHCP.
"""

from __future__ import annotations

from importlib import resources

from imgpipe.offline_edits import Absent, Operation, Remove, Symlink, WriteFile

SEED_VOLUME_ID = "IMGPIPE-ID"
_FOLDER = "/usr/lib/imgpipe"
_UNITS = "/etc/systemd/system"
_APPLY = "imgpipe-first-boot.service"
_REPORT = "imgpipe-report.service"

# Before sysinit.target, as cloud-init's first part: only what has no default dependencies starts sooner, and that is
# named. What it needs of /home, for keys, may be a file system of its own.
_APPLY_UNIT = f"""\
[Unit]
Description=Give this machine the identity that its definition carries
DefaultDependencies=no
RequiresMountsFor=/etc /home /root /usr /var/lib/imgpipe
After=local-fs.target systemd-remount-fs.service systemd-sysusers.service systemd-udev-trigger.service
Wants=network-pre.target
Before=network-pre.target systemd-networkd.service networking.service ifupdown-pre.service NetworkManager.service
Before=sysinit.target sshd-keygen.target sshd.service ssh.service shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {_FOLDER}/first-boot
StandardInput=null
StandardOutput=journal
StandardError=journal
TimeoutStartSec=300

[Install]
WantedBy=sysinit.target
"""

_REPORT_UNIT = f"""\
[Unit]
Description=Tell the host what this machine is
After={_APPLY} imgpipe-ssh-host-keys.service sshd-keygen.target ssh.service sshd.service cloud-config.service

[Service]
ExecStart=/bin/sh {_FOLDER}/report
StandardInput=null
StandardOutput=journal
Restart=on-failure
RestartSec=5
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""

# CDs are readable to a group that the first user of some systems is in (50-udev-default.rules), by two devices.
_SEED_RULE = f"""\
# A machine's identity may have secrets: its CD is root's alone.
SUBSYSTEM=="block", KERNEL=="sr*", ENV{{ID_FS_LABEL}}=="{SEED_VOLUME_ID}|cidata|CIDATA", OWNER="root", GROUP="root", \
MODE="0600", TAG-="uaccess"
SUBSYSTEM=="scsi_generic", ATTRS{{type}}=="5", OWNER="root", GROUP="root", MODE="0600", TAG-="uaccess"
"""
_TRACES = tuple(f"/var/lib/imgpipe/{name}" for name in ("identity", "keys", "problems", "growing", "without-identity"))


def _script(name: str) -> str:
    return resources.files(__package__).joinpath("guest", name).read_text(encoding="utf-8")


OPERATION = Operation(
    name="first-boot-identity",
    description="Add the units that give a machine its identity at first boot, and that report it to the host.",
    steps=(
        # Of a machine that is made a template.
        Remove(patterns=_TRACES),
        WriteFile(path=f"{_FOLDER}/first-boot", content=_script("first_boot.sh"), mode=0o755),
        WriteFile(path=f"{_FOLDER}/report", content=_script("report.sh"), mode=0o755),
        WriteFile(path="/etc/udev/rules.d/99-imgpipe-seed.rules", content=_SEED_RULE),
        WriteFile(path=f"{_UNITS}/{_APPLY}", content=_APPLY_UNIT),
        WriteFile(path=f"{_UNITS}/{_REPORT}", content=_REPORT_UNIT),
        Symlink(path=f"{_UNITS}/sysinit.target.wants/{_APPLY}", target=f"{_UNITS}/{_APPLY}"),
        Symlink(path=f"{_UNITS}/multi-user.target.wants/{_REPORT}", target=f"{_UNITS}/{_REPORT}"),
    ),
    sealed=(Absent(patterns=_TRACES),),
)
OPERATIONS = (OPERATION,)
