"""What the verify stage puts into the throwaway overlay: a unit that runs the checks, reports and switches off."""

from __future__ import annotations

from collections.abc import Sequence

from imgpipe.domain_spec import Accelerator
from imgpipe.domains import REPORT_CHANNEL
from imgpipe.emulated_boot import patient_steps
from imgpipe.offline_edits import Step, Symlink, WriteFile
from imgpipe.os_family import Check

_FOLDER = "/etc/imgpipe-verify"
_UNIT = "imgpipe-verify.service"
_WANTS = f"/etc/systemd/system/multi-user.target.wants/{_UNIT}"

FACTS = {
    "system": '. /etc/os-release; echo "$PRETTY_NAME"',
    "kernel": "uname -r",
    "kernel arguments": "cat /proc/cmdline",
    "host name": "uname -n",
    "machine id": "cat /etc/machine-id",
    "ssh host keys": 'for key in /etc/ssh/ssh_host_*_key.pub; do [ ! -e "$key" ] || ssh-keygen -lf "$key"; done',
    "network": "ip -oneline address show",
    "time zone": "readlink -f /etc/localtime",
    "failed units": "systemctl list-units --state=failed --no-legend --plain",
    "memory and swap": "grep -E '^(MemTotal|SwapTotal):' /proc/meminfo",
    "file systems": "findmnt --noheadings --list --real --output TARGET,SOURCE,FSTYPE,SIZE",
    "boot": "systemd-analyze time",
}
"""What is told of every image, by name: a script for /bin/sh."""

# Type=simple: the unit counts as started at once, so the boot that it waits for does not wait for it. systemctl can
# wait by itself from systemd 240 on, but EL 8 has 239.
_SERVICE = f"""[Unit]
Description=Check this machine, report and switch it off

[Service]
Type=simple
ExecStart=/bin/sh {_FOLDER}/run
ExecStopPost=/bin/sh -c 'systemctl poweroff --force --force'
StandardInput=null
TimeoutStopSec=10

[Install]
WantedBy=multi-user.target
"""

_RUN = r"""#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
here=@FOLDER@
find_port() {
  for name in /sys/class/virtio-ports/*/name; do
    if [ "$(cat "$name")" = @CHANNEL@ ]; then
      port=/dev/$(basename "$(dirname "$name")")
      [ -c "$port" ] && return 0
    fi
  done
  return 1
}
tries=0
until find_port; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || exit 1
  sleep 1
done
exec 3<> "$port"
told=$(mktemp)
# The host counts what arrives, too.
say() { echo "$1" >> "$told"; echo "$1" >&3; }
encode() { head -c 16384 | base64 | tr -d '\n'; }
judge() {
  out=$(mktemp)
  timeout --kill-after=10 "$1" sh "$2" < /dev/null > "$out" 2>&1
  code=$?
  text=$(encode < "$out")
  rm -f "$out"
}
tries=0
while [ $tries -lt 900 ]; do
  state=$(systemctl is-system-running 2> /dev/null)
  case $state in initializing|starting) ;; *) break ;; esac
  tries=$((tries + 1))
  sleep 1
done
say "state $(printf %s "$state" | encode)"
for file in "$here"/facts/*; do
  judge 60 "$file"
  say "fact ${file##*/} $text"
done
for file in "$here"/checks/*; do
  [ -e "$file" ] || continue
  judge 300 "$file"
  say "check ${file##*/} $code $text"
done
echo "end $(wc -l < "$told") $(sha256sum < "$told" | cut -d ' ' -f 1)" >&3
sync
# Whoever has heard it all ends this machine; nobody does where the host is gone.
timeout 60 head -c 1 <&3
systemctl poweroff --force --force
"""


def steps(checks: Sequence[Check], accelerator: Accelerator = "kvm") -> tuple[Step, ...]:
    """Return the edits that make a system check itself at its next boot, report and switch off.

    Where the machine is emulated, the overlay's system waits longer for its devices; the image's does not.
    """
    run = _RUN.replace("@FOLDER@", _FOLDER).replace("@CHANNEL@", REPORT_CHANNEL)
    unit = f"/etc/systemd/system/{_UNIT}"
    return (
        WriteFile(path=f"{_FOLDER}/run", content=run, mode=0o700),
        *(
            WriteFile(path=f"{_FOLDER}/facts/{index:04}", content=f"{script}\n", mode=0o700)
            for index, script in enumerate(FACTS.values())
        ),
        *(
            WriteFile(path=f"{_FOLDER}/checks/{index:04}", content=check.script, mode=0o700)
            for index, check in enumerate(checks)
        ),
        WriteFile(path=unit, content=_SERVICE),
        Symlink(path=_WANTS, target=unit),
        *patient_steps(accelerator),
    )
