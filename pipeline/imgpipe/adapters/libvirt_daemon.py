"""libvirt's daemons where no service manager starts them: in containers and minimal hosts.

As a user, libvirt starts its session daemon by itself. As root, 'qemu:///session' is the system daemon too (libvirt
honours /session for other users only), and on a host without systemd nothing listens. There the daemons are
started as libvirt starts a session's: they end by themselves when no machine runs and nobody is connected.
"""

from __future__ import annotations

import grp
import os
import re
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.store import finished_file

QEMU_CONF = Path("/etc/libvirt/qemu.conf")
_RUN = Path("/run/libvirt")
_KVM = Path("/dev/kvm")
_IDLE_SECONDS = 120
_PATIENCE_SECONDS = 15
_SERVERS = (("libvirtd", "libvirt-sock"), ("virtqemud", "virtqemud-sock"))


def system_daemon_answers() -> bool:
    """Say whether someone listens on a socket of the system daemon."""
    return any(_answers(_RUN / name) for _, name in _SERVERS)


def session_daemon_answers() -> bool:
    """Say whether this user's own daemon runs; libvirt starts it with the first connection."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or os.path.expanduser("~/.cache")  # noqa: PTH111 (as libvirt does)
    return any(_answers(Path(runtime, "libvirt", name)) for _, name in _SERVERS)


def may_start_system_daemon() -> bool:
    """Say whether the daemons are ours to start: we are root, and no systemd manages them."""
    return os.geteuid() == 0 and not Path("/run/systemd/system").is_dir()


def start_system_daemon() -> str:
    """Start what is missing of the log daemon and the QEMU daemon; return the latter's name.

    Raises HostError if none is installed or it does not come up.
    """
    for program, name in _SERVERS:
        if process.is_installed(program):
            _start(program, _RUN / name)
            return program
    raise HostError("No libvirt daemon is installed.", hint="Install 'libvirt-daemon-system' or 'libvirt-daemon'.")


def adapt_to_chroot() -> bool:
    """Make libvirt give machines no mount namespace where / is no mount; say whether its settings were changed.

    It makes a /dev for each machine in one, and enters it by setns(2): in a plain chroot that leads to the host's
    own root, and no machine starts.
    """
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    if any(line.split()[4] == "/" for line in mounts) or not QEMU_CONF.is_file():
        return False
    settings = QEMU_CONF.read_text(encoding="utf-8")
    if re.search(r"^\s*namespaces\s*=", settings, re.MULTILINE):
        return False
    added = "# imgpipe: / is no mount point here (a plain chroot).\nnamespaces = []\n"
    with finished_file(QEMU_CONF) as partial:
        shutil.copy2(QEMU_CONF, partial)
        partial.write_text(f"{settings.rstrip()}\n\n{added}", encoding="utf-8")
    return True


def ensure_log_daemon() -> socket.socket | None:
    """Start virtlogd if nobody listens; return a connection to it, None where it is not installed.

    Consoles that are written to files go through it. Its time-out does not count the files that it writes, so it
    would end in the middle of an installation, and the console with it: whoever needs it must hold the connection.
    """
    name = _RUN / "virtlogd-sock"
    if not process.is_installed("virtlogd"):
        return None
    if not _answers(name):
        _start("virtlogd", name)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(name))
    return connection


def give_kvm_to_its_group() -> None:
    """Let the group 'kvm' open /dev/kvm, as udev's rules do on hosts that have udev.

    Where only root may, libvirt finds KVM when it probes QEMU and then finds it gone for QEMU's own user, so it
    probes again (5 s) at each look: a machine takes minutes to start.
    """
    with suppress(KeyError, OSError):
        group = grp.getgrnam("kvm").gr_gid
        if _KVM.stat().st_gid != group:
            os.chown(_KVM, -1, group)
            _KVM.chmod(0o660)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _start(program: str, path: Path) -> None:
    """Start a daemon and wait until it answers on its socket `path`; one that somebody else just started will do."""
    failure: HostError | None = None
    try:
        process.run(program, "--daemon", "--timeout", str(_IDLE_SECONDS), timeout_s=60)
    except HostError as error:
        # Of two that are started at once, one finds the pid file taken, before the other listens.
        failure = error
    end = time.monotonic() + _PATIENCE_SECONDS
    while not _answers(path):
        if time.monotonic() > end:
            raise failure or HostError(f"The daemon '{program}' was started but does not answer on '{path}'.")
        time.sleep(0.1)
