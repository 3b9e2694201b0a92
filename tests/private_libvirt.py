"""A libvirt daemon of a test's own, so that no other machine or daemon of the host is touched.

As a user it is a session daemon in folders of its own. Root has no session daemon: there it is a system daemon in
a mount namespace of its own, whose state lies in its own folder and outlives it there.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from command import DATA, command_lines

STATE = ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt", "/var/log/libvirt")
CACHE = DATA / "libvirt-cache"
"""What libvirt found out about QEMU, which takes eight seconds; all system daemons of the tests share it."""
QEMU_CONF = """user = "root"
group = "root"
stdio_handler = "file"
security_driver = "none"
dynamic_ownership = 0
namespaces = []
"""
TWO_BRIDGES = """
ip link set lo up
for bridge in br1 br2; do ip link add $bridge type bridge && ip link set $bridge up; done
ip address add 10.100.1.1/24 dev br1
ip address add 10.200.1.1/24 dev br2
"""
"""A `network` with the operators' bridges; the host is their gateway."""
# In a plain chroot / is no mount, and cannot be made private: it is bound onto itself, and entered by '/..' because '/'
# is looked up below the new mount.
ENTER = r"""set -e
grep -q '^[^ ]* [^ ]* [^ ]* [^ ]* / ' /proc/self/mountinfo && exec sh -c "$START" sh "$1"
mount --rbind / /
exec chroot /.. sh -c "$START" sh "$1"
"""
START = r"""set -e
mount --make-rprivate /
eval "$NETWORK"
for folder in $STATE; do mkdir -p $folder "$1/state$folder"; mount --bind "$1/state$folder" $folder; done
mkdir -p /var/cache/libvirt "$CACHE"
mount --bind "$CACHE" /var/cache/libvirt
mkdir -p /etc/libvirt/qemu
for folder in $HIDDEN; do mkdir -p "$1/empty"; mount --bind "$1/empty" $folder; done
cp "$1/qemu.conf" /etc/libvirt/qemu.conf
exec libvirtd --config "$1/libvirtd.conf" --pid-file "$1/pid"
"""


class PrivateLibvirt:
    """The daemon, its URI and a folder that its machines can reach.

    With `network`, a script for sh, it runs in a network namespace of its own, which the script sets up. Root's
    daemon finds the folders `hidden` empty. `within` is a program that runs it as its own process, with its arguments.
    """

    def __init__(
        self,
        folder: Path,
        network: str = "",
        hidden: tuple[Path, ...] = (),
        qemu_conf: str = QEMU_CONF,
        within: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.network = network
        self._hidden = hidden
        self._qemu_conf = qemu_conf
        self._within = within
        self.socket = folder / "libvirt-sock"
        self.uri = f"qemu+unix:///{'system' if os.geteuid() == 0 else 'session'}?socket={self.socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self._namespaces: set[str] = set()

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        (self.folder / "libvirtd.conf").write_text(f'unix_sock_dir = "{self.folder}"\nauth_unix_rw = "none"\n')
        (self.folder / "qemu.conf").write_text(self._qemu_conf)
        argv = ["libvirtd", "--config", str(self.folder / "libvirtd.conf"), "--pid-file", str(self.folder / "pid")]
        hidden = " ".join(map(str, self._hidden))
        env = dict(os.environ, STATE=" ".join(STATE), CACHE=str(CACHE), NETWORK=self.network, HIDDEN=hidden)
        if os.geteuid() == 0:
            namespaces = ["--mount", *(["--net"] if self.network else [])]
            argv = ["unshare", *namespaces, "--propagation", "unchanged", "sh", "-c", ENTER, "sh", str(self.folder)]
            env["START"] = START
        else:
            env |= {name: str(self.folder) for name in ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen([*self._within, *argv], stdout=log, stderr=log, env=env)
        self._wait()
        # It may be started more than once, and its machines outlive it.
        self._namespaces |= {_mounts(self._process.pid)} - {_mounts(os.getpid())}

    @property
    def in_its_network(self) -> tuple[str, ...]:
        """What runs a command where the daemon's bridges are."""
        assert self._process
        return ("nsenter", "--target", str(self._process.pid), "--net")

    def kill(self) -> None:
        """End the daemon at once, as a crash would; its machines go on."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the daemon and whatever machines were left."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            # A daemon that is still starting takes half a minute to end, and has nothing to put away.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
            self._process.kill()
            self._process.wait()
        for pid in self.machines():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def machines(self) -> list[int]:
        """Return the process ids of its QEMU processes: they are in its mount namespace, or use files of its folder."""
        found = []
        for pid, words in command_lines():
            # It may end meanwhile.
            with suppress(OSError):
                if "qemu-system" in words[0] and (
                    any(str(self.folder) in word for word in words) or _mounts(pid) in self._namespaces
                ):
                    found.append(pid)
        return found

    def _wait(self) -> None:
        assert self._process
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
                client.connect(str(self.socket))
                return
            time.sleep(0.1)
        raise AssertionError((self.folder / "daemon.log").read_text()[-2000:])


def _mounts(pid: int) -> str:
    """Return the mount namespace of a process."""
    return str(Path(f"/proc/{pid}/ns/mnt").readlink())


@contextmanager
def private_libvirt(
    *hidden: Path, network: str = "", qemu_conf: str = QEMU_CONF, within: tuple[str, ...] = ()
) -> Iterator[PrivateLibvirt]:
    """Run a daemon for the block; leave no process and no file."""
    # Short, because the path of a UNIX socket may be 107 bytes long at most.
    folder = Path(tempfile.mkdtemp(prefix="lv-"))
    folder.chmod(0o755)
    daemon = PrivateLibvirt(folder, network, hidden, qemu_conf, within)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)


def lacking() -> str:
    """Say what is missing to run the daemon; empty if nothing is."""
    programs = [name for name in ("libvirtd", "unshare", "qemu-system-x86_64") if not shutil.which(name)]
    return f"not installed: {', '.join(programs)}" if programs else ""
