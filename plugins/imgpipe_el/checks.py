"""What the booted image must show of the recipe's settings; run in the guest, as root, by /bin/sh."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.os_family import Check
from imgpipe.recipe import Guest, Recipe
from imgpipe_el.kickstart.quoting import word

# The kernel's own word: the tools that would tell are not part of every minimal system.
_SELINUX = {
    "enforcing": '[ "$(cat /sys/fs/selinux/enforce)" = 1 ]',
    "permissive": '[ "$(cat /sys/fs/selinux/enforce)" = 0 ]',
    "off": "[ ! -e /sys/fs/selinux/enforce ]",
}


def checks(recipe: Recipe) -> Iterator[Check]:
    """Yield the checks that the recipe's settings call for."""
    guest = recipe.guest
    zone = word(f"/usr/share/zoneinfo/{guest.timezone}")
    yield Check(name="time zone", script=f'[ "$(readlink -f /etc/localtime)" = "$(readlink -f {zone})" ]')
    yield Check(name="hardware clock in UTC", script="! grep -qs '^LOCAL' /etc/adjtime")
    yield Check(name="SELinux", script=_SELINUX[guest.selinux])
    active = "" if guest.firewall else "! "
    yield Check(name="firewall", script=f"{active}systemctl is-active --quiet firewalld.service")
    if recipe.disk.swap:
        yield Check(name="swap", script="swapon --show --noheadings | grep -q .")
    yield from _packages(guest)
    yield from _services(guest)
    yield from _settings(guest)
    yield from _network(recipe)


def _packages(guest: Guest) -> Iterator[Check]:
    wanted = " ".join(word(name) for name in guest.packages.add if _is_package(name))
    if wanted:
        yield Check(name="packages", script=f"rpm --query --quiet --whatprovides {wanted}")
    for name in guest.packages.remove:
        if _is_package(name):
            yield Check(name=f"package '{name}' left out", script=f"! rpm --query --quiet {word(name)}")


def _services(guest: Guest) -> Iterator[Check]:
    for unit in guest.services.enable:
        yield Check(name=f"service '{unit}' enabled", script=f"systemctl is-enabled --quiet -- {word(unit)}")
    for unit in guest.services.disable:
        yield Check(name=f"service '{unit}' disabled", script=f"! systemctl is-enabled --quiet -- {word(unit)}")
    if guest.serial_console:
        script = "systemctl is-enabled --quiet serial-getty@ttyS0.service && grep -q console=ttyS0 /proc/cmdline"
        yield Check(name="serial console", script=script)


def _settings(guest: Guest) -> Iterator[Check]:
    for key, value in guest.sysctl.items():
        if "*" not in key:
            wanted = word(" ".join(str(value).split()))
            script = f'[ "$(sysctl -n {word(key)} | tr -s "[:blank:]" " ")" = {wanted} ]'
            yield Check(name=f"kernel setting '{key}'", script=script)
    for key, limit in guest.limits.model_dump().items():
        if limit is not None:
            script = f'[ "$(systemctl show --property=DefaultLimit{key.upper()} --value)" = {limit} ]'
            yield Check(name=f"limit '{key}'", script=script)
    for key, value in guest.sshd.items():
        # sshd prints other values in forms of its own; these two it prints as they are.
        if value.lower() in {"yes", "no"}:
            line = word(f"{key.lower()} {value.lower()}")
            yield Check(name=f"sshd setting '{key}'", script=f"sshd -T | grep -qxF {line}")
    for argument in guest.kernel_arguments:
        script = f"tr ' ' '\\n' </proc/cmdline | grep -qxF -- {word(argument)}"
        yield Check(name=f"kernel argument '{argument}'", script=script)


def _network(recipe: Recipe) -> Iterator[Check]:
    for nic in recipe.nics:
        if nic.name:
            yield Check(name=f"NIC '{nic.name}'", script=f"[ -e /sys/class/net/{word(nic.name)} ]")
    yield Check(
        name="no connection made up by NetworkManager",
        script="! nmcli --terse --fields NAME connection show | grep -q '^Wired connection'",
    )


def _is_package(name: str) -> bool:
    """Whether `name` is one package and not a group, an environment, a module stream or a pattern."""
    return not set(name) & set("@^*:")
