"""A KVM host's network to try things on: NetworkManager itself, in namespaces of its own.

The host has veth pairs as eth0 (outside) and eth1 (inside); their other ends are in a second namespace that plays the
gateway and the DHCP server. Nothing here can reach the real network: every namespace is new, and what NetworkManager
reads and writes (/run, /etc/NetworkManager, /var/lib/NetworkManager) is private to its mount namespace.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import forks
from imgpipe.settings import checkout

PROGRAMS = ("NetworkManager", "dbus-daemon", "dnsmasq", "ip", "bridge", "setpriv", "unshare", "nsenter")
LONGEST_S = 300

_BUS = """\
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""
# Without udev NetworkManager would wait for it; where /sys is read-only it takes itself to be in a container.
_CONFIGURATION = """\
[main]
plugins=keyfile
dns=none
rc-manager=unmanaged
hostname-mode=none
auth-polkit=false
no-auto-default=*

[logging]
level=DEBUG
"""
_PROFILE = """\
[connection]
id={name}
uuid={uuid}
type=ethernet
interface-name={nic}
zone=internal

[ipv4]
method={method}
{more}
[ipv6]
method=ignore
"""
_OLD_UUID = {"eth0": "11111111-1111-4111-8111-111111111111", "eth1": "22222222-2222-4222-8222-222222222222"}
_DHCP_PORT = 67
_HURRY = """\
from pathlib import Path
from imgpipe.adapters.network_manager import NetworkManager
from imgpipe.host.network.records import Places, read_change
NetworkManager().extend(read_change(Places(kept=Path("/none")).pending).checkpoint, 1)
"""
_PRIVATE = """\
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus /run/NetworkManager
mount -t sysfs -o ro sysfs /sys
if [ -n "$1" ]; then
    mount --bind "$1/etc" /etc/NetworkManager
    mount --bind "$1/lib" /var/lib/NetworkManager
fi
ip link set lo up
touch /run/ready
exec sleep infinity
"""


def missing() -> str:
    """Say why these tests cannot run here; empty where they can."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return "" if os.geteuid() == 0 else "only root makes namespaces"


class Namespace:
    """New mount, network, host name and process namespaces; what runs in them dies with them, and they with pytest."""

    def __init__(self, folder: Path | None = None) -> None:
        self._unshare = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL",
             "unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", _PRIVATE, "sh", str(folder or "")],
        )  # fmt: skip
        self.pid = 0
        until(self._made)

    def _made(self) -> bool:
        assert self._unshare.poll() is None, "the namespace could not be made"
        self.pid = child_of(self._unshare)
        return bool(self.pid) and Path(f"/proc/{self.pid}/root/run/ready").exists()

    @property
    def enter(self) -> tuple[str, ...]:
        return ("nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", "--pid")

    @property
    def in_its_network(self) -> tuple[str, ...]:
        """What runs a command as its own process in this network, with the files of this machine."""
        return ("nsenter", f"--target={self.pid}", "--net")

    def run(self, *command: str, check: bool = True, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [*self.enter, *command], capture_output=True, text=True, timeout=LONGEST_S, check=False, env=env
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return subprocess.Popen([*self.enter, *command], stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def end(self) -> None:
        self._unshare.kill()
        self._unshare.wait(timeout=LONGEST_S)


class Host:
    """A host with NetworkManager: eth0 with DHCP (10.99.0.0/24, gateway .1), eth1 with the static 10.100.1.1/24."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("etc/system-connections", "etc/conf.d", "lib"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/NetworkManager.conf").write_text(_CONFIGURATION)
        self.profile("eth0", "auto", "")
        self.profile("eth1", "manual", "address1=10.100.1.9/24\n")
        self.namespace = Namespace(folder)
        self.peer = Namespace()
        self._started: list[subprocess.Popen[bytes]] = []
        try:
            self._wire()
            self._start()
        except BaseException:
            self.end()
            raise

    def profile(self, nic: str, method: str, more: str) -> None:
        path = self.folder / f"etc/system-connections/old-{nic}.nmconnection"
        path.write_text(_PROFILE.format(name=f"old-{nic}", uuid=_OLD_UUID[nic], nic=nic, method=method, more=more))
        path.chmod(0o600)

    def _wire(self) -> None:
        for nic in ("eth0", "eth1"):
            words = ["ip", "link", "add", nic, "type", "veth", "peer", "name", f"gw-{nic}", "netns", str(self.peer.pid)]
            # Only the network namespace is entered, so that the peer's process id means the same.
            subprocess.run([*self.namespace.in_its_network, *words], check=True, timeout=LONGEST_S)
        for nic, address in (("eth0", "10.99.0.1/24"), ("eth1", "10.100.1.254/24")):
            self.peer.run("ip", "address", "add", address, "dev", f"gw-{nic}")
            self.peer.run("ip", "link", "set", f"gw-{nic}", "up")

    def _start(self) -> None:
        dnsmasq = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=gw-eth0",
                   "--bind-interfaces", "--dhcp-range=10.99.0.50,10.99.0.99,1h", "--dhcp-authoritative",
                   "--dhcp-leasefile=/run/leases", "--pid-file=", "--user=root", "--no-ping"]  # fmt: skip
        self._started.append(self.peer.start(*dnsmasq, log=self.folder / "dnsmasq.log"))
        # A question that is asked before would be asked again only seconds later.
        until(self._serves_dhcp)
        (self.folder / "lib/bus.conf").write_text(_BUS)
        bus = ["dbus-daemon", "--config-file=/var/lib/NetworkManager/bus.conf", "--nofork", "--nopidfile"]
        self._started.append(self.namespace.start(*bus, log=self.folder / "bus.log"))
        until((self._root / "run/dbus/system_bus_socket").exists)
        self._start_network_manager()
        until(self.as_before)

    def _serves_dhcp(self) -> bool:
        sockets = Path(f"/proc/{self.peer.pid}/net/udp").read_text()
        return f":{_DHCP_PORT:04X} " in sockets

    def serve_dhcp_inside(self) -> None:
        """Let the peer give addresses on eth1's side as well: 10.100.1.100 to .119, and no router."""
        dnsmasq = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=gw-eth1",
                   "--bind-interfaces", "--dhcp-range=10.100.1.100,10.100.1.119,1h", "--dhcp-authoritative",
                   "--dhcp-option=option:router", "--dhcp-leasefile=/run/leases-inside", "--pid-file=",
                   "--user=root", "--no-ping"]  # fmt: skip
        self._started.append(self.peer.start(*dnsmasq, log=self.folder / "dnsmasq-inside.log"))

    def leases(self) -> dict[str, str]:
        """The addresses that the peer gave, by MAC address."""
        files = [Path(f"/proc/{self.peer.pid}/root/run") / name for name in ("leases", "leases-inside")]
        lines = [line.split() for path in files if path.exists() for line in path.read_text().splitlines()]
        return {mac: address for _, mac, address, *_ in lines}

    def hurry(self) -> None:
        """Shorten the time that an unconfirmed change has left to a second; NetworkManager still does the rest."""
        self.namespace.run(sys.executable, "-c", _HURRY, env=self._environment())

    def _start_network_manager(self) -> None:
        log = self.folder / f"NetworkManager-{len(self._started)}.log"
        self._network_manager = self.namespace.start("NetworkManager", "--no-daemon", log=log)
        self._started.append(self._network_manager)

    def _end_network_manager(self) -> None:
        """End it as its unit would be stopped: it leaves the network as it is."""
        os.kill(child_of(self._network_manager), signal.SIGTERM)
        self._network_manager.wait(timeout=LONGEST_S)

    def restart_network_manager(self) -> None:
        self._end_network_manager()
        self._start_network_manager()
        until(lambda: self.namespace.run("nmcli", "--terse", "general", check=False).startswith("connected"))

    def boot(self) -> None:
        """Begin as a boot does: nothing in /run, no bridge, no address, then NetworkManager."""
        self._end_network_manager()
        for name in ("NetworkManager", "imgpipe"):
            shutil.rmtree(self._root / "run" / name, ignore_errors=True)
        (self._root / "run/NetworkManager").mkdir()
        for bridge in self.bridges():
            self.namespace.run("ip", "link", "delete", bridge)
        for nic in ("eth0", "eth1"):
            self.namespace.run("ip", "address", "flush", "dev", nic)
            self.namespace.run("ip", "link", "set", nic, "down")
        self._start_network_manager()

    @property
    def _root(self) -> Path:
        return Path(f"/proc/{self.namespace.pid}/root")

    def addresses(self, nic: str) -> list[str]:
        """The IPv4 addresses of a device, without their prefix; none where it is not there."""
        told = self.namespace.run("ip", "-json", "-4", "address", "show", "dev", nic, check=False)
        return [item["local"] for link in json.loads(told or "[]") for item in link.get("addr_info", ())]

    def as_before(self) -> bool:
        """Say whether the network is what it was before imgpipe: addresses on the NICs, no bridge."""
        return (
            any(address.startswith("10.99.0.") for address in self.addresses("eth0"))
            and self.addresses("eth1") == ["10.100.1.9"]
            and not self.bridges()
            and "default via 10.99.0.1 dev eth0" in self.namespace.run("ip", "route")
        )

    def bridges(self) -> list[str]:
        told = self.namespace.run("ip", "-json", "link", "show", "type", "bridge")
        return [link["ifname"] for link in json.loads(told or "[]") if link.get("ifname")]

    def active(self) -> list[str]:
        """The active profiles: name, UUID, kind and device."""
        return sorted(self.namespace.run("nmcli", "--terse", "connection", "show", "--active").splitlines())

    def profiles(self) -> dict[str, str]:
        """The keyfiles in /etc by name."""
        folder = self.folder / "etc/system-connections"
        return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}

    def staged(self) -> list[str]:
        """The keyfiles that live only until the next boot."""
        folder = self._root / "run/NetworkManager/system-connections"
        return sorted(path.name for path in folder.glob("*.nmconnection"))

    def imgpipe(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run imgpipe on this host to its end."""
        return forks.shared().run(words, env=self._environment(), inside=self.namespace.pid)

    def start_imgpipe(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.namespace.enter, sys.executable, "-c", "from imgpipe.cli.main import main; main()", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment(),
        )

    def _environment(self) -> dict[str, str]:
        where = os.pathsep.join((str(checkout() / "pipeline"), str(checkout() / "plugins")))
        return {**os.environ, "PYTHONPATH": where, "IMGPIPE_HOME": str(self.folder / "home")}

    def end(self) -> None:
        for namespace in (self.namespace, self.peer):
            namespace.end()
        for started in self._started:
            started.wait(timeout=LONGEST_S)


def child_of(process: subprocess.Popen[Any]) -> int:
    """Return the process that unshare(1) or nsenter(1) runs in a process namespace; 0 where there is none yet."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(children[0]) if children else 0


def until(true, seconds: float = LONGEST_S) -> None:
    """Wait for something to become true; fail if it does not."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)
