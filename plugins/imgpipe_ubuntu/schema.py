"""What an autoinstall document may hold: a schema of our own, stricter than subiquity's.

Learnt from subiquity's documentation and its releases for 22.04 and 24.04; see docs/decisions. subiquity refuses keys
that it does not know in some sections and ignores them in others (LENIENT): both are faults here, of two weights.
Sections whose format belongs to others (netplan, curtin's apt and storage, cloud-init's user-data) are left open except
for what is certain.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

LENIENT = "unknownKeysAreIgnored"
"""The keyword of a schema whose section subiquity takes with keys that it does not know."""

_TEXT: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_COMMANDS: Schema = {
    "type": "array",
    "items": {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": _TEXT, "minItems": 1}]},
}


def _mapping(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _lenient(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    return {**_mapping(properties, required), LENIENT: True}


def _open(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


_NETPLAN = _open(
    {
        "version": {"const": 2},
        "renderer": {"enum": ["networkd", "NetworkManager"]},
        "ethernets": {"type": "object"},
        "wifis": {"type": "object"},
        "tunnels": {"type": "object"},
        "bridges": {"type": "object"},
        "bonds": {"type": "object"},
        "vlans": {"type": "object"},
    }
)

_ACTION_TYPES = [
    "disk", "partition", "format", "mount", "lvm_volgroup", "lvm_partition", "dm_crypt", "raid", "bcache", "zpool",
    "zfs", "dasd", "nvme_controller",
]  # fmt: skip

_ACTION: Schema = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {
        "type": {"enum": _ACTION_TYPES},
        "id": _TEXT,
        "preserve": _BOOLEAN,
        "grub_device": _BOOLEAN,
        "size": {"type": ["integer", "string"]},
        "ptable": {"enum": ["gpt", "msdos", "vtoc", "unsupported"]},
        "path": _TEXT,
    },
}

_APT = _open(
    {
        "preserve_sources_list": _BOOLEAN,
        "primary": {"type": "array"},
        "mirror-selection": _open({"primary": {"type": "array"}}),
        "geoip": _BOOLEAN,
        "sources": {"type": "object"},
        "disable_components": _TEXTS,
        "preferences": {"type": "array"},
        "fallback": {"enum": ["abort", "continue-anyway", "offline-install"]},
    }
)

_STORAGE = _open(
    {
        "layout": {"type": "object", "required": ["name"]},
        "config": {"type": "array", "items": _ACTION, "minItems": 1},
        "swap": {"type": "object"},
        "grub": {"type": "object"},
    }
)

_IDENTITY = _mapping(
    {
        "realname": _TEXT,
        "username": _TEXT,
        "hostname": _TEXT,
        "password": _TEXT,
        "groups": {"type": ["array", "object"]},
    },
    required=("username", "hostname", "password"),
)

AUTOINSTALL: Schema = _lenient(
    {
        "version": {"const": 1},
        "interactive-sections": _TEXTS,
        "early-commands": _COMMANDS,
        "late-commands": _COMMANDS,
        "error-commands": _COMMANDS,
        "reporting": {"type": "object", "additionalProperties": {"type": "object", "required": ["type"]}},
        "user-data": {"type": "object"},
        "packages": _TEXTS,
        "debconf-selections": _TEXT,
        "locale": _TEXT,
        "refresh-installer": _mapping({"update": _BOOLEAN, "channel": _TEXT}),
        "kernel": {**_lenient({"package": _TEXT, "flavor": _TEXT}), "minProperties": 1, "maxProperties": 1},
        "kernel-crash-dumps": _mapping({"enabled": {"type": ["boolean", "null"]}}, required=("enabled",)),
        "keyboard": _mapping(
            {"layout": _TEXT, "variant": _TEXT, "toggle": {"type": ["string", "null"]}}, required=("layout",)
        ),
        "zdevs": {"type": "array"},
        "source": _lenient({"id": _TEXT, "search_drivers": _BOOLEAN}),
        "network": {"type": "object"},
        "ubuntu-pro": _lenient({"token": _TEXT}),
        "ubuntu-advantage": _lenient({"token": _TEXT}),
        "proxy": {"type": ["string", "null"]},
        "apt": _APT,
        "storage": _STORAGE,
        "identity": _IDENTITY,
        "ssh": _lenient({"install-server": _BOOLEAN, "authorized-keys": _TEXTS, "allow-pw": _BOOLEAN}),
        "snaps": {
            "type": "array",
            "items": _mapping({"name": _TEXT, "channel": _TEXT, "classic": _BOOLEAN}, required=("name",)),
        },
        "active-directory": _mapping({"admin-name": _TEXT, "domain-name": _TEXT}),
        "codecs": _lenient({"install": _BOOLEAN}),
        "drivers": _lenient({"install": _BOOLEAN}),
        "oem": _lenient({"install": {"enum": [True, False, "auto"]}}, required=("install",)),
        "timezone": _TEXT,
        "updates": {"enum": ["security", "all"]},
        "shutdown": {"enum": ["reboot", "poweroff"]},
    },
    required=("version",),
)

# subiquity takes the netplan mapping with and without netplan's own top key.
NETWORK: Schema = {**_NETPLAN, "required": ["version"]}
