"""What a bundle holds, as a table of contents, and how each part is asked of this host."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.adapters import firewall, host_facts, installed, process, selinux
from imgpipe.adapters.hypervisor import Hypervisor, look
from imgpipe.adapters.libvirt_inventory import inventory
from imgpipe.disclosure import SECRET, names_a_secret
from imgpipe.errors import HostError
from imgpipe.host.bundle.collecting import Item
from imgpipe.host.distribution import OS_RELEASE
from imgpipe.host.doctor import bridges, denials
from imgpipe.host.doctor.checkup import Host
from imgpipe.named_files import read_text
from imgpipe.settings import Settings

# All that could serve machines, pools, networks, consoles, labels, firewalls and the clock here.
_UNITS = (
    *(f"{name}.{kind}" for name in ("libvirtd", "virtqemud", "virtstoraged", "virtnetworkd", "virtlogd", "virtproxyd")
      for kind in ("service", "socket")),
    "auditd.service", "chronyd.service", "chrony.service", "systemd-timesyncd.service", "NetworkManager.service",
    "systemd-networkd.service", "firewalld.service", "nftables.service", "docker.service", "kubelet.service",
)  # fmt: skip
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,Result,ExecMainStatus,NRestarts"
_SOCKETS = Path("/run/libvirt")
_LIBVIRTS_FOLDERS = (Path("/var/lib/libvirt"), Path("/var/lib/libvirt/images"), Path("/var/lib/libvirt/isos"))
_MOST_DENIALS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the parts come from that may fail as a whole: settings that are wrong cost a bundle what they decide."""

    host: Callable[[], Host]
    settings: Callable[[], Settings]
    findings: Callable[[], object]
    patience_s: float = 180


def items(sources: Sources) -> tuple[Item, ...]:
    """Return what a bundle holds; nothing is asked yet."""
    return (
        Item("findings.json", "what 'imgpipe doctor --json' finds", sources.findings, sources.patience_s),
        Item("versions.json", "versions of imgpipe, Python, libvirt, QEMU and the kernel", lambda: _versions(sources)),
        Item("os-release.txt", "this host's os-release", lambda: read_text(OS_RELEASE, 64 * 1024)),
        Item("packages.json", "versions of the packages that imgpipe uses", lambda: _packages(sources), 90),
        Item("capabilities.xml", "what libvirt says of this host, without its UUID", lambda: _capabilities(sources)),
        Item("domain-capabilities.xml", "what machines may have here", lambda: _domain_capabilities(sources)),
        Item("daemons.json", "libvirt's daemons, their sockets, and the state of services", _daemons),
        Item("selinux.json", "SELinux: mode, the daemon's domain, switches", _selinux),
        Item("denials.json", "what SELinux refused libvirt and machines since the start", _denials),
        Item(
            "folders.json", "the data root's, pools' and media folders: owner, mode, label", lambda: _folders(sources)
        ),
        Item("network.json", "the bridges that machines are plugged into", lambda: _network(sources)),
        Item(
            "settings.json", "which settings imgpipe.toml has; values only where they are words", lambda: _set(sources)
        ),
    )


def _versions(sources: Sources) -> object:
    system, here = os.uname(), sources.host().distribution
    return {
        "imgpipe": _of_package("imgpipe"),
        "python": sys.version,
        "libvirt-python": _of_package("libvirt-python"),
        **installed.versions(),
        "kernel": f"{system.release} {system.version}",
        "machine": system.machine,
        "libc": " ".join(platform.libc_ver()),
        "family": here.family,
        "release": here.release,
        "list of packages tried": here.tried(),
    }


def _of_package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _packages(sources: Sources) -> object:
    here = sources.host().distribution
    wanted = {one.package for one in here.wanted()}
    if not wanted:
        raise HostError("imgpipe has no list of packages for this system.")
    found = installed.package_versions(here.family, wanted)
    return {"installed": dict(sorted(found.items())), "wanted": sorted(wanted)}


def _connected(sources: Sources) -> Hypervisor:
    """Return a connection that somebody must close; nothing is started for it."""
    hypervisor = look(sources.host().uri, lambda _: None)
    if hypervisor is None:
        raise HostError("No libvirt daemon runs now; it is started whenever imgpipe needs it.")
    return hypervisor


def _capabilities(sources: Sources) -> str:
    with closing(_connected(sources)) as hypervisor:
        found = hypervisor.capabilities()
    if (host := found.find("host")) is not None:
        for element in host.findall("uuid"):
            host.remove(element)
    return ET.tostring(found, encoding="unicode")


def _domain_capabilities(sources: Sources) -> str:
    with closing(_connected(sources)) as hypervisor:
        return host_facts.domain_capabilities(hypervisor)


def _daemons() -> object:
    serving = installed.daemons()
    asked = ("systemctl", "show", f"--property={_PROPERTIES}", "--", *_UNITS)
    told = process.told_by(*asked, limit=64 * 1024, timeout_s=20)
    blocks = (dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in told.split("\n\n"))
    units = [unit for unit in blocks if unit and unit.get("LoadState") != "not-found"]
    return {
        "serving": asdict(serving) if serving else None,
        "sockets": sorted(path.name for path in _SOCKETS.glob("*sock*")),
        "units": units or told.splitlines()[:5],
    }


def _selinux() -> object:
    if not selinux.is_there():
        return {"mode": "not there"}
    return {
        "mode": "enforcing" if selinux.enforces() else "permissive",
        "daemon": selinux.daemon_type(),
        "switches": selinux.switches(
            ("virt_use_nfs", "virt_use_samba", "virt_use_fusefs", "virt_sandbox_use_all_caps")
        ),
        "own rules for folders": list(selinux.own_rules()),
    }


def _denials() -> object:
    """Return the records, most recent last; a name that speaks of a secret is left out whole."""
    known = dict.fromkeys(denials.recorded())
    return [
        {**asdict(one), "name": SECRET if names_a_secret(one.name) else one.name}
        for one in islice(reversed(known), _MOST_DENIALS)
    ][::-1]


def _folders(sources: Sources) -> object:
    host = sources.host()
    own = (host.store.root, *(host.store.root / name for name in ("images", "work", "cache", "machines")))
    told: dict[str, object] = {
        "data root": _each(own),
        "media": _each(host.media),
        "libvirt's": _each(_LIBVIRTS_FOLDERS),
    }
    try:
        with closing(_connected(sources)) as hypervisor:
            told["pools"] = _each(inventory(hypervisor).folders.values()) if hypervisor.local else "on another host"
    except HostError as error:
        told["pools"] = f"not known: {error}"
    return told


def _each(folders: Iterable[Path]) -> list[dict[str, object]]:
    return [dict(_folder(path)) for path in folders]


def _folder(path: Path) -> Iterator[tuple[str, object]]:
    yield "path", str(path)
    try:
        status = path.stat()
        usage = shutil.disk_usage(path)
    except OSError as error:
        yield "missing", error.strerror
        return
    yield "mode", stat.filemode(status.st_mode)
    yield "owner", f"{status.st_uid}:{status.st_gid}"
    yield "label", selinux.label_of(path)
    yield "keeps labels", selinux.keeps_labels(path)
    yield "free", usage.free
    yield "size", usage.total


def _network(sources: Sources) -> object:
    names = sources.host().bridges
    told = [asdict(bridges.gather(name)) | {"firewall": asdict(firewall.look(name))} for name in names]
    return {"bridges": told}


def _set(sources: Sources) -> object:
    """Return the settings that are set: those that choose among words with their value, the others by name alone."""
    told = sources.settings().model_dump(exclude_defaults=True)
    return {name: value if name in {"cpu", "pool"} else "(set)" for name, value in told.items()}
