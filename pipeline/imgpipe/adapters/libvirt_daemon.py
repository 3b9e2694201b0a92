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
from imgpipe.adapters.installed import Daemons, daemons
from imgpipe.errors import HostError
from imgpipe.store import finished_file

QEMU_CONF = Path("/etc/libvirt/qemu.conf")
_RUN = Path("/run/libvirt")
_KVM = Path("/dev/kvm")
# The log daemon is started by whoever needs it, and the proxy serves callers from elsewhere.
_ON_DEMAND = frozenset(["virtlogd", "virtproxyd"])
_IDLE_SECONDS = 120
_PATIENCE_SECONDS = 15
# virtproxyd listens for the monolithic daemon's clients, on its socket.
_SOCKETS = {"libvirtd": "libvirt-sock", "virtproxyd": "libvirt-sock"}


def system_daemon_answers() -> bool:
    """Say whether the daemons listen that serve this host: modular ones serve pools and networks apart."""
    serving = daemons()
    return serving is not None and all(_answers(_socket(name)) for name in _standing(serving))


def session_daemon_answers() -> bool:
    """Say whether this user's own daemon runs; libvirt starts it with the first connection."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or os.path.expanduser("~/.cache")  # noqa: PTH111 (as libvirt does)
    return any(_answers(Path(runtime, "libvirt", _socket(name).name)) for name in ("libvirtd", "virtqemud"))


def may_start_system_daemon() -> bool:
    """Say whether the daemons are ours to start: we are root, and no systemd manages them."""
    return os.geteuid() == 0 and not Path("/run/systemd/system").is_dir()


def start_system_daemon() -> str:
    """Start the daemons that serve this host and do not listen; return the name of the one that runs machines.

    Raises HostError if none is installed or one does not come up.
    """
    serving = daemons()
    if serving is None:
        raise HostError("No libvirt daemon is installed.", hint="Run 'imgpipe host setup'.")
    # The drivers' first: the daemon of the machines asks them when it starts machines by itself.
    for name in _standing(serving):
        if not _answers(_socket(name)):
            _start(name, _socket(name))
    return serving.program


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

    What QEMU itself says goes through it. Its time-out does not count the files that it writes, so it would end in the
    middle of an installation, and QEMU's last words with it: whoever needs it must hold the connection.
    """
    name = _socket("virtlogd")
    if not process.is_installed("virtlogd"):
        return None
    if not _answers(name):
        _start("virtlogd", name)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(name))
    return connection


def give_kvm_to_its_group() -> None:
    """Let the group 'kvm' open /dev/kvm where it belongs to root alone, as udev's rules do on hosts that have udev.

    In a chroot it may belong to a group of the host that has no name here: that is the host's choice and stays.

    Where only root may, libvirt finds KVM when it probes QEMU and then finds it gone for QEMU's own user, so it
    probes again (5 s) at each look: a machine takes minutes to start.
    """
    with suppress(KeyError, OSError):
        group = grp.getgrnam("kvm").gr_gid
        if _KVM.stat().st_gid == 0 != group:
            os.chown(_KVM, -1, group)
            _KVM.chmod(0o660)


def _standing(serving: Daemons) -> tuple[str, ...]:
    return (*(name for name in serving.helpers if name not in _ON_DEMAND), serving.program)


def _socket(program: str) -> Path:
    return _RUN / _SOCKETS.get(program, f"{program}-sock")


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
