"""The core's own checks of a booted image: what the recipe asks for, asked of the guest. Pure.

They are for Linux systems that systemd starts. Each script is run by /bin/sh as root; what it prints is shown when it
fails. Every value of the recipe is quoted.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imgpipe.os_family import Check
from imgpipe.recipe import Nic, Recipe

_SWAP_TOLERANCE = 0.1
"""LVM and page sizes round what was asked for."""


def core_checks(recipe: Recipe) -> tuple[Check, ...]:
    """Return the checks of everything in `recipe` that a booted guest can tell."""
    return (
        *identity_checks(),
        *_network(recipe),
        *_settings(recipe),
        *_services(recipe),
        *_accounts(recipe),
        *_disk(recipe),
        *_packages(recipe),
    )


def _check(name: str, *lines: str) -> Check:
    return Check(name=name, script="\n".join(("set -u", *lines, "")))


def identity_checks() -> Iterator[Check]:
    """Yield what must hold of any image, whoever installed it."""
    yield _check(
        "no unit failed",
        "failed=$(systemctl list-units --state=failed --no-legend --plain)",
        'if [ -n "$failed" ]; then',
        '  echo "$failed"',
        '  for unit in $(echo "$failed" | cut -d" " -f1); do journalctl --no-pager --lines=20 --unit="$unit"; done',
        "  exit 1",
        "fi",
    )
    yield _check(
        "the machine has an identity of its own",
        "id=$(cat /etc/machine-id)",
        'echo "machine-id: $id"',
        'echo "$id" | grep -Eqx \'[0-9a-f]{32}\' && [ "$id" != 00000000000000000000000000000000 ]',
    )
    yield _check(
        "SSH host keys were made anew",
        "[ -x /usr/sbin/sshd ] || exit 0",
        "for unit in ssh.service sshd.service ssh.socket sshd.socket; do",
        '  if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then',
        "    ls /etc/ssh/ssh_host_*_key && exit 0",
        '    echo "$unit is enabled, but there are no host keys"',
        "    exit 1",
        "  fi",
        "done",
    )


def _network(recipe: Recipe) -> Iterator[Check]:
    for nic in recipe.nics:
        yield _check(f"there is a NIC {nic.name or nic.mac}", *_nic(nic))


def _nic(nic: Nic) -> Iterator[str]:
    yield "grep -H . /sys/class/net/*/address"
    if nic.name:
        yield f"[ -e /sys/class/net/{shlex.quote(nic.name)} ]"
    else:
        yield f"grep -qx {shlex.quote(nic.mac or '')} /sys/class/net/*/address"


def _settings(recipe: Recipe) -> Iterator[Check]:
    guest = recipe.guest
    zone = shlex.quote(f"/usr/share/zoneinfo/{guest.timezone}")
    yield _check(
        f"the time zone is {guest.timezone}",
        "ls -l /etc/localtime",
        # A system without the file, or without zone data, runs in UTC.
        *(("[ -e /etc/localtime ] || exit 0",) if guest.timezone in {"UTC", "Etc/UTC"} else ()),
        f"cmp /etc/localtime {zone}",
    )
    yield _check(
        f"the locale is {guest.locale}",
        "for file in /etc/locale.conf /etc/default/locale; do",
        "  LANG=",
        '  [ ! -r "$file" ] || . "$file"',
        f'  [ "$LANG" != {shlex.quote(guest.locale)} ] || exit 0',
        "done",
        "grep -H . /etc/locale.conf /etc/default/locale",
        "exit 1",
    )
    for key, value in guest.sysctl.items():
        yield _check(f"{key} is {value}", *_sysctl(key, str(value)))
    for argument in guest.kernel_arguments:
        wanted = shlex.quote(argument)
        yield _check(
            f"the kernel was started with {argument}",
            "cat /proc/cmdline",
            f"tr ' ' '\\n' < /proc/cmdline | grep -qxF -e {wanted}",
        )
    for name, setting in guest.sshd.items():
        yield _check(f"sshd has {name} {setting}", *_sshd(name, setting))
    yield _check(
        f"SELinux is {guest.selinux}",
        "command -v getenforce > /dev/null || exit 0",
        "mode=$(getenforce)",
        'echo "$mode"',
        f'[ "$mode" = {"Disabled" if guest.selinux == "off" else guest.selinux.capitalize()} ]',
    )


def _sysctl(key: str, value: str) -> Iterator[str]:
    yield "found="
    yield f"for file in {_sysctl_path(key)}; do"
    yield '  [ -e "$file" ] || continue'
    yield "  found=yes"
    yield "  has=$(tr -s '[:blank:]' ' ' < \"$file\")"
    yield '  echo "$file: $has"'
    yield f'  [ "$has" = {shlex.quote(" ".join(value.split()))} ] || exit 1'
    yield "done"
    yield '[ -n "$found" ] || { echo "this kernel has no such setting"; exit 1; }'


def _sysctl_path(key: str) -> str:
    """Return the file of a key, a shell pattern where the key is one.

    The first separator says which one separates; the other is then part of a name (sysctl.d(5)).
    """
    dotted = "/" not in key or ("." in key and key.index(".") < key.index("/"))
    swapped = key.translate(str.maketrans("./", "/.")) if dotted else key
    return "/proc/sys/" + "*".join(shlex.quote(part) if part else "" for part in swapped.split("*"))


def _sshd(name: str, value: str) -> Iterator[str]:
    # sshd prints the old name of this one.
    shown = "without-password" if value.lower() == "prohibit-password" else value
    yield "sshd=$(command -v sshd || echo /usr/sbin/sshd)"
    yield "mkdir -p /run/sshd"
    yield 'told=$("$sshd" -T 2>&1)'
    yield f'echo "$told" | grep -i -e {shlex.quote(f"^{name} ")} -e error'
    yield f'echo "$told" | grep -qixF -e {shlex.quote(f"{name} {value}")} -e {shlex.quote(f"{name} {shown}")}'


def _services(recipe: Recipe) -> Iterator[Check]:
    services = recipe.guest.services
    for unit in services.enable:
        yield _check(f"{unit} is enabled and works", *_enabled(shlex.quote(unit)))
    for unit in services.disable:
        yield _check(
            f"{unit} is disabled",
            f"state=$(systemctl is-enabled {shlex.quote(unit)} 2>/dev/null)",
            'echo "$state"',
            'case "$state" in enabled*|alias) exit 1 ;; esac',
        )
    if recipe.guest.serial_console:
        yield _check(
            "a login waits on the serial console",
            "systemctl --no-pager status serial-getty@ttyS0.service",
            "systemctl is-active --quiet serial-getty@ttyS0.service",
        )
    if recipe.guest.firewall:
        yield _check(
            "a firewall runs", "systemctl is-active firewalld.service ufw.service nftables.service | grep -qx active"
        )
    else:
        yield _check("no firewall runs", "! systemctl is-active firewalld.service")


def _enabled(unit: str) -> Iterator[str]:
    yield f"state=$(systemctl is-enabled {unit} 2>&1)"
    yield 'echo "$state"'
    yield 'case "$state" in enabled*|static|alias|indirect|generated) ;; *) exit 1 ;; esac'
    yield f"active=$(systemctl is-active {unit})"
    yield 'echo "$active"'
    # A unit that did its work, or had none here, is inactive and fine.
    yield 'case "$active" in active|activating|reloading|inactive) ;; *) exit 1 ;; esac'


def _accounts(recipe: Recipe) -> Iterator[Check]:
    root = recipe.guest.root
    state = "has a password" if root.password else "is locked"
    yield _check(
        f"the account root {state}",
        "hash=$(getent shadow root | cut -d: -f2)",
        'case "$hash" in',
        # Quoted: [!*] would mean anything but a star.
        f"  '!'*|'*'*) echo locked; exit {1 if root.password else 0} ;;",
        '  "") echo "no password at all"; exit 1 ;;',
        f"  *) echo 'has a password'; exit {0 if root.password else 1} ;;",
        "esac",
    )
    for user in recipe.guest.users:
        groups = (f'echo "$has" | grep -qx {shlex.quote(group)} || exit 1' for group in user.groups)
        yield _check(
            f"there is a user {user.name}",
            f"id {shlex.quote(user.name)} || exit 1",
            f"has=$(id -nG {shlex.quote(user.name)} | tr ' ' '\\n')",
            *groups,
            "exit 0",
        )


def _disk(recipe: Recipe) -> Iterator[Check]:
    disk = recipe.disk
    lines = ["findmnt --noheadings --output SOURCE,FSTYPE,SIZE /", "source=$(findmnt --noheadings --output SOURCE /)"]
    if disk.filesystem:
        lines.append(f'[ "$(findmnt --noheadings --output FSTYPE /)" = {disk.filesystem} ] || exit 1')
    pattern = "/dev/mapper/*" if disk.layout == "lvm" else "/dev/[vsh]d*|/dev/nvme*"
    lines.append(f'case "$source" in {pattern}) ;; *) exit 1 ;; esac')
    yield _check(f"the root file system is {disk.filesystem or 'there'}, {disk.layout}", *lines)
    wanted = disk.swap // 1024
    low, high = int(wanted * (1 - _SWAP_TOLERANCE)), int(wanted * (1 + _SWAP_TOLERANCE))
    yield _check(
        f"there are {disk.swap // 2**20} MiB of swap" if wanted else "there is no swap",
        "cat /proc/swaps",
        # zram is memory, not a part of the disk.
        "has=$(awk 'NR > 1 && $1 !~ /zram/ { sum += $3 } END { print sum + 0 }' /proc/swaps)",
        f'[ "$has" -ge {low} ] && [ "$has" -le {high} ]',
    )


def _packages(recipe: Recipe) -> Iterator[Check]:
    """Check packages by name; groups and patterns are the installer's own matter."""
    packages = recipe.guest.packages
    present = [name for name in packages.add if name[0] not in "@^" and "*" not in name]
    absent = [name for name in packages.remove if name[0] not in "@^" and "*" not in name]
    for names, wanted in ((present, "installed"), (absent, "not installed")):
        if names:
            yield _check(f"{', '.join(names)}: {wanted}", *_installed(names, wanted == "installed"))


def _installed(names: list[str], wanted: bool) -> Iterator[str]:
    yield "has() {"
    yield "  if command -v rpm > /dev/null && [ -d /var/lib/rpm ] && ! command -v dpkg-query > /dev/null; then"
    yield '    rpm --query --whatprovides "$1" > /dev/null'
    yield "  else"
    yield "    dpkg-query --show --showformat='${db:Status-Status}\\n' \"$1\" 2> /dev/null | grep -qx installed"
    yield "  fi"
    yield "}"
    yield "code=0"
    yield f"for name in {shlex.join(names)}; do"
    refused = '! has "$name"' if wanted else 'has "$name"'
    yield f'  if {refused}; then echo "$name"; code=1; fi'
    yield "done"
    yield "exit $code"
