"""The target's settings: language, time, users, services."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from .answers import Kickstart
from .console import Console
from .programs import SYSROOT, CommandError, run_in_target

# The administrators' group has another name on Debian.
_GROUPS = {"wheel": "sudo"}
_NOT_HERE = "not applicable to the stand-in's Debian root file system"


def configure(kickstart: Kickstart, console: Console) -> None:
    """Set everything but users and the network."""
    (SYSROOT / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    _set_language(kickstart)
    _set_time(kickstart, console)
    _set_services(kickstart, console)
    for command in ("selinux", "firewall", "authselect"):
        if getattr(kickstart, command, None) is not None and getattr(kickstart, command).seen:
            console.log(f"{command}: {_NOT_HERE}")


def make_users(kickstart: Kickstart, console: Console) -> None:
    """Set root's password, and make the users with their groups, passwords and keys."""
    root = kickstart.rootpw
    if root.password:
        _set_password("root", root.password, crypted=root.isCrypted)
    if root.lock or not root.password:
        run_in_target("passwd", "--lock", "root")
    if getattr(root, "allow_ssh", False):
        (SYSROOT / "etc/ssh/sshd_config.d/01-permitrootlogin.conf").write_text("PermitRootLogin yes\n")
    for user in kickstart.user.userList:
        _make_user(user)
    for data in kickstart.sshkey.sshUserList:
        _add_key(data.username, data.key, console)


def _set_language(kickstart: Kickstart) -> None:
    language = kickstart.lang.lang or "en_US.UTF-8"
    (SYSROOT / "etc/locale.conf").write_text(f'LANG="{language}"\n')
    (SYSROOT / "etc/default/locale").unlink(missing_ok=True)
    (SYSROOT / "etc/default/locale").symlink_to("../locale.conf")
    keymap = kickstart.keyboard.vc_keymap or kickstart.keyboard.keyboard or "us"
    (SYSROOT / "etc/vconsole.conf").write_text(f'KEYMAP="{keymap}"\n')


def _set_time(kickstart: Kickstart, console: Console) -> None:
    zone = kickstart.timezone.timezone or "Etc/UTC"
    if (SYSROOT / "usr/share/zoneinfo" / zone).exists():
        local = SYSROOT / "etc/localtime"
        local.unlink(missing_ok=True)
        local.symlink_to(f"../usr/share/zoneinfo/{zone}")
        (SYSROOT / "etc/timezone").write_text(f"{zone}\n")
    else:
        console.log(f"timezone '{zone}' is not known, the system stays at UTC", level="WARN")
    (SYSROOT / "etc/adjtime").write_text(f"0.0 0 0.0\n0\n{'UTC' if kickstart.timezone.isUtc else 'LOCAL'}\n")
    lines = list(_time_sources(kickstart))
    if lines:
        conf = SYSROOT / "etc/chrony/chrony.conf"
        kept = re.sub(r"^(pool|server) .*\n", "", conf.read_text(), flags=re.MULTILINE)
        conf.write_text("\n".join(lines) + "\n" + kept)


def _time_sources(kickstart: Kickstart) -> list[str]:
    asked = getattr(kickstart, "timesource", None)
    servers = list(kickstart.timezone.ntpservers or ()) if hasattr(kickstart.timezone, "ntpservers") else []
    lines = [f"server {server} iburst" for server in servers]
    for data in asked.timesource_list if asked is not None else ():
        if data.ntp_server:
            lines.append(f"server {data.ntp_server} iburst")
        elif data.ntp_pool:
            lines.append(f"pool {data.ntp_pool} iburst")
    return lines


def _set_services(kickstart: Kickstart, console: Console) -> None:
    for action, names in (("enable", kickstart.services.enabled), ("disable", kickstart.services.disabled)):
        for name in names:
            try:
                run_in_target("systemctl", action, name)
                console.log(f"service '{name}': {action}d")
            except CommandError as error:
                console.log(f"service '{name}' cannot be {action}d: {error}", level="WARN")


def _make_user(user: Kickstart) -> None:
    groups = [_GROUPS.get(group, group) for group in user.groups]
    for group in groups:
        run_in_target("groupadd", "--force", group)
    options = ["--create-home", "--shell", user.shell or "/bin/bash"]
    options += ["--comment", user.gecos] if user.gecos else []
    options += ["--groups", ",".join(groups)] if groups else []
    options += ["--home-dir", user.homedir] if user.homedir else []
    options += ["--uid", str(user.uid)] if user.uid else []
    run_in_target("useradd", *options, user.name)
    if user.password:
        _set_password(user.name, user.password, crypted=user.isCrypted)
    if user.lock:
        run_in_target("passwd", "--lock", user.name)


def _set_password(name: str, password: str, *, crypted: bool) -> None:
    run_in_target("chpasswd", *(("--encrypted",) if crypted else ()), stdin=f"{name}:{password}\n")


def _add_key(name: str, key: str, console: Console) -> None:
    home = next((line.split(":")[5] for line in _accounts() if line.split(":")[0] == name), None)
    if home is None:
        console.log(f"sshkey: there is no user '{name}'", level="WARN")
        return
    folder = Path(home, ".ssh")
    run_in_target("install", "--directory", "--mode=0700", f"--owner={name}", str(folder))
    keys = SYSROOT / str(folder).lstrip("/") / "authorized_keys"
    with keys.open("a") as file:
        file.write(key.strip() + "\n")
    keys.chmod(0o600)
    run_in_target("chown", f"{name}:", str(folder / "authorized_keys"))


def _accounts() -> list[str]:
    return (SYSROOT / "etc/passwd").read_text().splitlines()
