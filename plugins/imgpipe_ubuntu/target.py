"""The script that finishes the installed system, run in it by `curtin in-target` at the installer's end.

Accounts, locale and the rest are not left to subiquity: it hands them to cloud-init for the first boot, and a golden
image has no first boot of its own, only its clones have. The script is a file on the seed, so that password hashes
are in no argument list and in no log of the installer. Every word of a recipe in it is quoted for sh(1).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping

from imgpipe.errors import RecipeError
from imgpipe.os_family import Account, Order
from imgpipe.recipe import Guest, Recipe, User
from imgpipe_ubuntu.netplan import netplan

_HEAD = """\
#!/bin/sh
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

# put MODE PATH LINE...: write a file of these lines.
put() {
    mode=$1 path=$2
    shift 2
    mkdir -p "$(dirname "$path")"
    printf '%s\\n' "$@" >"$path"
    chmod "$mode" "$path"
}

# grant USER KEY...: let the keys log in as the user.
grant() {
    user=$1 home=$(getent passwd "$1" | cut -d: -f6) group=$(id -g "$1")
    shift
    install -d -m 0700 -o "$user" -g "$group" "$home/.ssh"
    put 0600 "$home/.ssh/authorized_keys" "$@"
    chown "$user:$group" "$home/.ssh/authorized_keys"
}
"""

_HOST_KEYS_UNIT = (
    "[Unit]",
    "Description=Make SSH host keys where there are none",
    "ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key",
    # cloud-init makes them too where it runs, and deletes what it finds: never at the same time.
    "After=cloud-init.service",
    "Before=ssh.service",
    "[Service]",
    "Type=oneshot",
    "ExecStart=/usr/bin/ssh-keygen -A",
    "[Install]",
    "WantedBy=multi-user.target",
)

# GRUB reads its own configuration as a script: these characters would be syntax there.
_KERNEL_ARGUMENT = re.compile(r"[A-Za-z0-9_.,:=/+%@~^!-]+")


def target_script(order: Order) -> str:
    """Return the script; raises RecipeError for what Ubuntu's GRUB or accounts cannot take."""
    recipe = order.recipe
    parts = (
        _place(recipe.guest),
        _network(recipe),
        _accounts(recipe.guest, order.accounts),
        _ssh(recipe.guest),
        _tuning(recipe.guest),
        _services(recipe.guest),
        _packages(recipe.guest),
        _boot_loader(recipe.guest),
    )
    return _HEAD + "".join(f"\n{line}" for part in parts for line in part) + "\n"


def _run(*words: str) -> str:
    return shlex.join(words)


def _put(path: str, *lines: str, mode: int = 0o644) -> str:
    return _run("put", f"{mode:04o}", path, *lines)


def _place(guest: Guest) -> Iterator[str]:
    zone = f"/usr/share/zoneinfo/{guest.timezone}"
    if guest.locale.partition(".")[0] not in {"C", "POSIX"}:
        yield _run("locale-gen", guest.locale)
    yield _run("update-locale", f"LANG={guest.locale}")
    yield _run("test", "-f", zone)
    yield _run("ln", "-sfn", zone, "/etc/localtime")
    yield _put("/etc/timezone", guest.timezone)
    if guest.hostname:
        short = guest.hostname.partition(".")[0]
        names = guest.hostname if short == guest.hostname else f"{guest.hostname} {short}"
        yield _put("/etc/hostname", guest.hostname)
        yield _put("/etc/hosts", "127.0.0.1 localhost", f"127.0.1.1 {names}", "::1 ip6-localhost ip6-loopback")


def _network(recipe: Recipe) -> Iterator[str]:
    # The file that cloud-init writes in a clone: its network-config replaces the template's as a whole.
    text = json.dumps({"network": netplan(recipe.nics)}, indent=2)
    yield "rm -f /etc/netplan/*.yaml"
    yield _put("/etc/netplan/50-cloud-init.yaml", *text.splitlines(), mode=0o600)


def _accounts(guest: Guest, accounts: Mapping[str, Account]) -> Iterator[str]:
    for user in guest.users:
        yield from _user(user)
    for name in ("root", *(user.name for user in guest.users)):
        if name in accounts and (password := accounts[name].password_hash):
            # printf is the shell's own, so that the hash is in no process's arguments.
            yield f"printf '%s\\n' {shlex.quote(f'{name}:{password}')} | chpasswd --encrypted"
        else:
            yield _run("passwd", "--lock", name)
    for name, keys in (("root", guest.root.keys), *((user.name, user.keys) for user in guest.users)):
        if keys:
            yield _run("grant", name, *keys)


def _user(user: User) -> Iterator[str]:
    for group in user.groups:
        # As the other families' installers do: a group that is not there is made.
        yield f"{_run('getent', 'group', group)} >/dev/null || {_run('groupadd', '--', group)}"
    groups = ("--groups", ",".join(user.groups)) if user.groups else ()
    yield _run("useradd", "--create-home", "--shell", "/bin/bash", "--comment", user.comment, *groups, "--", user.name)


def _ssh(guest: Guest) -> Iterator[str]:
    settings = {key: str(value) for key, value in guest.sshd.items()}
    if guest.root.password and "permitrootlogin" not in {key.lower() for key in settings}:
        settings["PermitRootLogin"] = "yes"
    if settings:
        # The first value wins, and sshd_config includes this folder before its own settings.
        yield _put("/etc/ssh/sshd_config.d/00-imgpipe.conf", *(f"{key} {value}" for key, value in settings.items()))
        yield "mkdir -p /run/sshd"
        yield "/usr/sbin/sshd -t"
    yield _put("/etc/systemd/system/imgpipe-ssh-host-keys.service", *_HOST_KEYS_UNIT)
    yield "systemctl enable imgpipe-ssh-host-keys.service"


def _tuning(guest: Guest) -> Iterator[str]:
    if guest.sysctl:
        lines = (f"{key} = {value}" for key, value in guest.sysctl.items())
        yield _put("/etc/sysctl.d/90-imgpipe.conf", *lines)
    limits = {"nofile": guest.limits.nofile, "nproc": guest.limits.nproc}
    given = {name: value for name, value in limits.items() if value}
    if given:
        lines = (f"{who} - {name} {value}" for name, value in given.items() for who in ("*", "root"))
        yield _put("/etc/security/limits.d/90-imgpipe.conf", *lines)
        lines = (f"DefaultLimit{name.upper()}={value}" for name, value in given.items())
        yield _put("/etc/systemd/system.conf.d/90-imgpipe.conf", "[Manager]", *lines)


def _services(guest: Guest) -> Iterator[str]:
    if guest.firewall:
        yield "ufw allow OpenSSH"
        yield "sed -i 's/^ENABLED=.*/ENABLED=yes/' /etc/ufw/ufw.conf"
    if guest.serial_console:
        yield "systemctl enable serial-getty@ttyS0.service"
    for verb, units in (("enable", guest.services.enable), ("disable", guest.services.disable)):
        yield from (_run("systemctl", verb, "--", unit) for unit in units)


def _packages(guest: Guest) -> Iterator[str]:
    if guest.packages.remove:
        yield _run("apt-get", "purge", "--yes", "--", *guest.packages.remove)
    # The proxy was the build's own.
    yield "rm -f /etc/apt/apt.conf.d/90curtin-aptproxy"


def _boot_loader(guest: Guest) -> Iterator[str]:
    console = ("console=tty0", "console=ttyS0,115200n8") if guest.serial_console else ()
    classic = ("net.ifnames=0", "biosdevname=0") if guest.classic_nic_names else ()
    for argument in guest.kernel_arguments:
        if not _KERNEL_ARGUMENT.fullmatch(argument):
            raise RecipeError(
                f"The kernel argument '{argument}' has a character that GRUB would take for its own syntax.",
                hint="Leave it out of 'guest.kernel_arguments'.",
            )
    arguments = " ".join((*console, *classic, *guest.kernel_arguments))
    lines = [
        f"GRUB_CMDLINE_LINUX={shlex.quote(arguments)}",
        "GRUB_CMDLINE_LINUX_DEFAULT=",
        "GRUB_TIMEOUT_STYLE=menu",
        "GRUB_TIMEOUT=1",
        # After a power cut Ubuntu's GRUB otherwise waits half a minute for somebody.
        "GRUB_RECORDFAIL_TIMEOUT=1",
        "GRUB_DISABLE_OS_PROBER=true",
    ]
    if guest.serial_console:
        lines += ['GRUB_TERMINAL="console serial"', 'GRUB_SERIAL_COMMAND="serial --speed=115200 --unit=0"']
    yield _put("/etc/default/grub.d/90-imgpipe.cfg", *lines)
    yield "update-grub"
