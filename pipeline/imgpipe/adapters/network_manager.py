"""NetworkManager over D-Bus: what it has, what is active, and its checkpoints.

The names are those of its D-Bus API (networkmanager.dev/docs/api/latest/spec.html). A checkpoint belongs to the
daemon: when its time is over it undoes what came after, whether or not the program that made it still lives.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jeepney import DBusAddress

from imgpipe.adapters.system_bus import SystemBus
from imgpipe.errors import HostError
from imgpipe.host.network.facts import Device, StoredProfile

_NAME = "org.freedesktop.NetworkManager"
_ROOT = "/org/freedesktop/NetworkManager"
_NOTHING = "/"
_DEVICE_ACTIVATED = 100
_OLDEST = (1, 20)
# NMCheckpointCreateFlags: profiles that are new since then go as well, and our bridges with them. Its companion
# DISCONNECT_NEW_DEVICES would unplug machines that were started meanwhile.
_DELETE_NEW_CONNECTIONS = 0x02
# NMManagerReloadFlags
_RELOAD_CONFIGURATION = 0x01
# NMSettingsUpdate2Flags
_TO_DISK = 0x01


def _address(path: str, interface: str = "") -> DBusAddress:
    return DBusAddress(path, bus_name=_NAME, interface=f"{_NAME}.{interface}" if interface else _NAME)


_MANAGER = _address(_ROOT)
_SETTINGS = _address(f"{_ROOT}/Settings", "Settings")


class NetworkManager:
    """A running NetworkManager; raises HostError where there is none."""

    def __init__(self) -> None:
        self._bus = SystemBus()
        try:
            version = str(self._bus.properties(_MANAGER)["Version"])
        except HostError as error:
            self._bus.close()
            raise HostError(
                f"NetworkManager does not run on this host: {error}", hint="Run 'systemctl start NetworkManager'."
            ) from None
        if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < _OLDEST:
            self._bus.close()
            raise HostError(f"NetworkManager {version} is too old: 1.20 is the first that reads profiles in /run.")

    def close(self) -> None:
        """End the connection; checkpoints stay."""
        self._bus.close()

    def devices(self) -> tuple[Device, ...]:
        """Return all devices, and what is active on each."""
        (paths,) = self._bus.call(_MANAGER, "GetAllDevices")
        return tuple(device for path in paths if (device := self._device(path)))

    def stored(self) -> tuple[StoredProfile, ...]:
        """Return all profiles, from whatever source."""
        return tuple(profile for path in self._profile_paths() if (profile := self._stored(path)))

    def load(self, files: Iterable[Path]) -> None:
        """Read these keyfiles anew; a file that is gone takes its profile with it."""
        names = [str(file) for file in files]
        _, failures = self._bus.call(_SETTINGS, "LoadConnections", "as", names)
        if refused := [name for name in failures if Path(name).exists()]:
            raise HostError("NetworkManager does not take a profile that imgpipe wrote.", details=refused)

    def reload_configuration(self) -> None:
        """Read NetworkManager.conf and what belongs to it anew."""
        self._bus.call(_MANAGER, "Reload", "u", _RELOAD_CONFIGURATION)

    def activate(self, uuid: str, device: str) -> None:
        """Begin to bring a profile up, on `device` where it exists already."""
        path = self._profile_path(uuid)
        on = next((found for found in self._device_paths() if self._interface(found) == device), _NOTHING)
        self._bus.call(_MANAGER, "ActivateConnection", "ooo", path, on, _NOTHING)

    def delete(self, uuid: str) -> None:
        """Delete a profile and its file; what it is active on goes down."""
        self._bus.call(_address(self._profile_path(uuid), "Settings.Connection"), "Delete")

    def set_autoconnect(self, uuid: str, *, on: bool) -> None:
        """Say whether a profile comes up by itself, for good; its secrets stay as they are."""
        target = _address(self._profile_path(uuid), "Settings.Connection")
        (settings,) = self._bus.call(target, "GetSettings")
        settings["connection"]["autoconnect"] = ("b", on)
        self._bus.call(target, "Update2", "a{sa{sv}}ua{sv}", settings, _TO_DISK, {})

    def checkpoint(self, seconds: int) -> str:
        """Remember everything as it is now; unless it is kept, it comes back after `seconds`."""
        (path,) = self._bus.call(_MANAGER, "CheckpointCreate", "aouu", [], seconds, _DELETE_NEW_CONNECTIONS)
        return f"{path} {self._created(path)}"

    def lives(self, checkpoint: str) -> bool:
        """Say whether a checkpoint still waits; its number alone may be another's after a restart."""
        path, _, created = checkpoint.partition(" ")
        paths = self._bus.properties(_MANAGER)["Checkpoints"]
        return path in paths and str(self._created(path)) == created

    def extend(self, checkpoint: str, seconds: int) -> None:
        """Let a checkpoint wait `seconds` from now on."""
        path = checkpoint.partition(" ")[0]
        self._bus.call(_MANAGER, "CheckpointAdjustRollbackTimeout", "ou", path, seconds)

    def keep(self, checkpoint: str) -> None:
        """Keep what was changed since the checkpoint."""
        self._bus.call(_MANAGER, "CheckpointDestroy", "o", checkpoint.partition(" ")[0])

    def roll_back(self, checkpoint: str) -> None:
        """Undo what was changed since the checkpoint, now."""
        self._bus.call(_MANAGER, "CheckpointRollback", "o", checkpoint.partition(" ")[0])

    def _created(self, path: str) -> int:
        return int(self._bus.properties(_address(path, "Checkpoint"))["Created"])

    def _device_paths(self) -> list[str]:
        (paths,) = self._bus.call(_MANAGER, "GetAllDevices")
        return list(paths)

    def _interface(self, path: str) -> str:
        return str(self._gone_is_empty(path, "Device").get("Interface", ""))

    def _device(self, path: str) -> Device | None:
        found = self._gone_is_empty(path, "Device")
        if not found:
            return None
        active = found["ActiveConnection"]
        profile = self._gone_is_empty(active, "Connection.Active").get("Uuid", "") if active != _NOTHING else ""
        return Device(
            name=found["Interface"],
            managed=bool(found["Managed"]),
            profile=profile,
            activated=found["State"] == _DEVICE_ACTIVATED,
        )

    def _profile_paths(self) -> list[str]:
        (paths,) = self._bus.call(_SETTINGS, "ListConnections")
        return list(paths)

    def _profile_path(self, uuid: str) -> str:
        (path,) = self._bus.call(_SETTINGS, "GetConnectionByUuid", "s", uuid)
        return str(path)

    def _stored(self, path: str) -> StoredProfile | None:
        about = self._gone_is_empty(path, "Settings.Connection")
        try:
            (settings,) = self._bus.call(_address(path, "Settings.Connection"), "GetSettings")
        except HostError:
            # It went away since its path was told.
            return None
        connection = {key: value for key, (_, value) in settings["connection"].items()}
        _, mac = settings.get("802-3-ethernet", {}).get("mac-address", ("ay", b""))
        return StoredProfile(
            uuid=connection["uuid"],
            name=connection["id"],
            interface=connection.get("interface-name", ""),
            mac=bytes(mac).hex(":"),
            autoconnect=connection.get("autoconnect", True),
            file=about.get("Filename", ""),
            zone=connection.get("zone", ""),
        )

    def _gone_is_empty(self, path: str, interface: str) -> dict[str, Any]:
        """Return an object's properties; none where it went away since its path was told."""
        try:
            return self._bus.properties(_address(path, interface))
        except HostError:
            return {}
