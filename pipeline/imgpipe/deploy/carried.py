"""What a definition may carry into a clone: an allow-list of places, and of values where a place alone says too little.

Whatever is not known here is refused, because it may name a path, device, host, port or socket that two machines would
then share. The elements are those of libvirt's domain format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

# A line is an element's place below <domain> and its attributes; with '/**' all below it is known too.
_COMMON = "alias name\naddress/**\nboot order loadparm\nacpi index\n"
_DRIVER = "name iommu ats packed page_per_vq ioeventfd event_idx queues"
_PORT = f"{_COMMON}source path mode append\nprotocol type\ntarget type name port state\ntarget/model name\n"
_DISK = (
    f"{_COMMON}driver {_DRIVER} type cache error_policy rerror_policy io copy_on_read discard discard_no_unref "
    "detect_zeroes iothread queue_size\ndriver/metadata_cache/**\ndriver/iothreads/**\n"
    "source file index startupPolicy\nbackingStore/**\ntarget dev bus tray removable rotation_rate\niotune/**\n"
    "readonly\nserial\nwwn\nvendor\nproduct\ngeometry cyls heads secs trans\n"
    "blockio logical_block_size physical_block_size discard_granularity\n"
)
_NIC = (
    f"{_COMMON}mac address type check\nsource bridge network portgroup dev mode portid\nmodel type\n"
    f"target dev managed\nlink state\nmtu size\ndriver {_DRIVER} txmode rx_queue_size tx_queue_size\ndriver/host/**\n"
    "driver/guest/**\nbandwidth/**\nrom bar enabled\nfilterref filter\ncoalesce/**\nvlan/**\nport isolated\ntune/**\n"
    "virtualport type\nvirtualport/parameters interfaceid instanceid profileid\n"
)
_DEVICES = {
    "emulator": ("", ""),
    "disk": ("type device model snapshot", _DISK),
    "controller": (
        "type index model ports vectors maxGrantFrames",
        f"{_COMMON}driver {_DRIVER} cmd_per_lun max_sectors iothread\nmaster startport\nmodel name\npcihole64 unit\n"
        "target chassis chassisNr port busNr index hotplug memReserve\ntarget/node\n",
    ),
    "interface": ("type trustGuestRxFilters", _NIC),
    "serial": ("type", _PORT),
    "console": ("type tty", _PORT),
    "parallel": ("type", _PORT),
    "channel": ("type", f"{_PORT}source channel\nsource/clipboard/**\nsource/mouse/**\n"),
    "input": ("type bus model", f"{_COMMON}driver {_DRIVER}\n"),
    "graphics": (
        "type port autoport tlsPort websocket listen keymap defaultMode sharePolicy powerControl",
        "listen type address network\ngl enable\nchannel name mode\nimage compression\njpeg compression\n"
        "zlib compression\nplayback compression\nstreaming mode\nmouse mode\nclipboard copypaste\n"
        "filetransfer enable\n",
    ),
    "audio": ("id type", ""),
    "sound": ("model multichannel streams", f"{_COMMON}codec type\naudio id\n"),
    "video": (
        "",
        f"{_COMMON}driver {_DRIVER} vgaconf\nmodel type ram vram vgamem vram64 heads primary blob edid\n"
        "model/acceleration accel3d accel2d\nmodel/resolution x y\n",
    ),
    "hub": ("type", _COMMON),
    "watchdog": ("model action", _COMMON),
    "memballoon": ("model autodeflate freePageReporting", f"{_COMMON}driver {_DRIVER}\nstats period\n"),
    "rng": ("model", f"{_COMMON}driver {_DRIVER}\nrate bytes period\nbackend model\n"),
    "panic": ("model", _COMMON),
    "tpm": (
        "model",
        f"{_COMMON}backend type version persistent_state debug\nbackend/active_pcr_banks/**\n"
        "backend/profile name source remove_disabled\n",
    ),
    "vsock": ("model", f"{_COMMON}cid auto address\ndriver {_DRIVER}\n"),
    "iommu": ("model", f"{_COMMON}driver/**\n"),
    "memory": (
        "model access discard",
        f"{_COMMON}source/pagesize unit\nsource/nodemask\nsource\ntarget dynamicMemslots\ntarget/**\n",
    ),
    "smartcard": ("mode type", f"{_COMMON}protocol type\n"),
    "redirdev": ("bus type", f"{_COMMON}protocol type\n"),
    "redirfilter/**": ("", ""),
    "crypto": ("model type", f"{_COMMON}backend model queues\n"),
}
_MACHINE = """
name
uuid
genid
title
description
metadata/**
maxMemory slots unit
memory unit dumpCore
currentMemory unit
vcpu placement cpuset current
vcpus/**
iothreads
iothreadids/**
defaultiothread thread_pool_min thread_pool_max
cputune/**
memtune/**
numatune/**
blkiotune
blkiotune/weight
memoryBacking/**
resource
resource/partition
sysinfo type
sysinfo/bios/**
sysinfo/system/**
sysinfo/baseBoard/**
sysinfo/chassis/**
sysinfo/oemStrings/**
os firmware
os/type arch machine
os/loader readonly secure type stateless format
os/nvram template templateFormat format
os/boot dev
os/bootmenu enable timeout
os/smbios mode
os/bios useserial rebootTimeout
os/firmware/**
features/**
cpu/**
clock/**
on_poweroff
on_reboot
on_crash
on_lockfailure
pm/**
perf/**
keywrap/**
seclabel type model relabel
seclabel/label
seclabel/baselabel
devices
"""

# What a place may say; None among the values stands for an attribute or text that is not there.
_VALUES: dict[str, re.Pattern[str]] = {
    place: re.compile(values)
    for place, values in {
        "devices/disk@type": "file",
        "devices/disk@device": "disk|cdrom",
        "devices/interface@type": "bridge|network|user|direct",
        "devices/interface/source@mode": "bridge|vepa|private",
        "devices/serial@type": "pty|file|null|vc",
        "devices/console@type": "pty|file|null|vc",
        "devices/parallel@type": "pty|null|vc",
        "devices/channel@type": "pty|unix|null|spicevmc|spiceport|qemu-vdagent",
        "devices/channel/source@mode": "bind",
        "devices/channel/target@type": "virtio|xen",
        "devices/input@type": "mouse|tablet|keyboard",
        "devices/graphics@type": "vnc|spice|rdp|egl-headless",
        "devices/graphics@tlsPort": "-1",
        "devices/graphics@websocket": "-1",
        "devices/graphics/listen@type": "address|network|none",
        "devices/audio@type": "none|spice",
        "devices/video/driver@name": "qemu",
        "devices/tpm/backend@type": "emulator",
        "devices/tpm/backend/profile@source": r"[\w.:-]+",
        "devices/rng/backend@model": "random|builtin",
        "devices/rng/backend": r"\s*|/dev/u?random",
        "devices/vsock/cid@auto": "yes",
        "devices/memory@model": "dimm|virtio-mem",
        "devices/smartcard@mode": "passthrough",
        "devices/smartcard@type": "spicevmc",
        "devices/redirdev@type": "spicevmc",
        "devices/crypto@type": "qemu",
        "devices/crypto/backend@model": "builtin",
        "sysinfo@type": "smbios",
        "os/loader@readonly": "yes",
    }.items()
}
# Inside what is known as a whole, these would still name something of the host.
_OF_THE_HOST = frozenset(("path", "file", "socket", "host", "service", "port", "rendernode"))


@dataclass(frozen=True, slots=True)
class _Known:
    """The places by name with their attributes, and those below which all is known."""

    places: dict[str, frozenset[str]]
    whole: tuple[str, ...]


def _known() -> _Known:
    lines = [line for line in _MACHINE.splitlines() if line]
    for tag, (own, below) in _DEVICES.items():
        lines += [f"devices/{tag} {own}", *(f"devices/{tag}/{line}" for line in below.splitlines())]
    places: dict[str, frozenset[str]] = {}
    whole = []
    for line in lines:
        place, *attributes = line.split()
        if place.endswith("/**"):
            whole.append(place.removesuffix("/**"))
        else:
            places[place] = places.get(place, frozenset()) | frozenset(attributes)
        # A child may stand in a parent that has nothing else to say.
        parent = place.removesuffix("/**").rpartition("/")[0]
        if parent:
            places.setdefault(parent, frozenset())
    return _Known(places, tuple(whole))


_KNOWN = _known()


def not_carried(domain: ET.Element) -> tuple[str, ...]:
    """Return the faults of a definition: each place that no clone may have, and what to do about it."""
    faults = [f"'domain/@{name}' is not known" for name in domain.attrib if name not in ("type", "id")]
    return (*faults, *_below(domain, "", ""))


def _below(element: ET.Element, place: str, shown: str) -> Iterator[str]:
    seen: dict[str, int] = {}
    many = [child.tag for child in element]
    for child in element:
        seen[child.tag] = seen.get(child.tag, 0) + 1
        number = f"[{seen[child.tag]}]" if many.count(child.tag) > 1 else ""
        yield from _at(child, f"{place}/{child.tag}".lstrip("/"), f"{shown}/{child.tag}{number}".lstrip("/"))


def _at(element: ET.Element, place: str, shown: str) -> Iterator[str]:
    if place in ("metadata", "devices/disk/backingStore"):
        return
    inside = any(place == one or place.startswith(f"{one}/") for one in _KNOWN.whole)
    if not inside and place not in _KNOWN.places:
        yield f"'{shown}' is nothing that a clone may have: it could be shared by both; remove it from the source"
        return
    allowed = _KNOWN.places.get(place, frozenset())
    for name, value in element.attrib.items():
        known = name in allowed or (inside and (name not in _OF_THE_HOST or place.endswith("/address")))
        if not known:
            yield f"'{shown}/@{name}' ('{value}') could be shared by both; remove it from the source"
        elif (pattern := _VALUES.get(f"{place}@{name}")) and not pattern.fullmatch(value):
            yield f"'{shown}/@{name}' is '{value}', which cannot be in two machines; change or remove it in the source"
    if (pattern := _VALUES.get(place)) and not pattern.fullmatch((element.text or "").strip()):
        yield f"'{shown}' is '{(element.text or '').strip()}', which cannot be in two machines; change it in the source"
    if inside and not place.startswith("sysinfo/"):
        yield from _paths(element, shown)
    yield from _special(element, place, shown)
    yield from _below(element, place, shown)


def _paths(element: ET.Element, shown: str) -> Iterator[str]:
    """Yield what looks like a path or URL where only numbers, names and switches are known to stand."""
    for name, value in (*((f"/@{name}", value) for name, value in element.attrib.items()), ("", element.text or "")):
        if "/" in value:
            yield f"'{shown}{name}' is '{value.strip()}', a path that both may share; remove it from the source"


def _special(element: ET.Element, place: str, shown: str) -> Iterator[str]:
    """Yield what depends on more than one attribute."""
    if place == "devices/graphics" and element.get("port", "-1") != "-1" and element.get("autoport") != "yes":
        yield f"'{shown}/@port' is the fixed port {element.get('port')}; set autoport='yes' in the source"
    if place == "devices/vsock/cid" and element.get("auto") != "yes":
        yield f"'{shown}' is a fixed number; set auto='yes' in the source"
    if place == "os/loader" and element.get("type") == "pflash" and element.get("readonly") != "yes":
        yield f"'{shown}' may be written to; set readonly='yes' in the source"
    if place == "seclabel" and element.get("type") == "static" and element.get("model") != "dac":
        yield f"'{shown}' is a fixed label of {element.get('model')}; let libvirt choose it in the source"
