"""What a virtio-win ISO holds for a system, by its layout, its label and its own list (data/info.json)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgpipe.json_text import parse_json
from imgpipe.media.find import natural_order
from imgpipe.os_family import MediumContent
from imgpipe_windows.drivers import Driver, copies, drivers
from imgpipe_windows.systems import Release

_LABEL = re.compile(r"virtio-win-(\d+(?:\.\d+){1,3})", re.IGNORECASE)
_LIST = "data/info.json"
_MOST_BYTES = 4 * 2**20


def version_of(medium: MediumContent) -> str:
    """Return the release by its label ('0.1.285'); empty where it does not say."""
    match = _LABEL.match(medium.volume_id)
    return match[1] if match else ""


def driver_faults(medium: MediumContent, release: Release, reason: str) -> list[str]:
    """Return what is missing for a system, and that its drivers are not signed so that it loads them."""
    title = release.system.title
    faults = [
        f"the virtio-win medium has no {driver.inf} for {title} (looked in {', '.join(driver.sources(release))})"
        for driver in drivers(release)
        if not _inf(medium, driver, release)
    ]
    for copy in copies(release):
        single = copy.sources[0]
        if "." in single.rpartition("/")[2] and not medium.is_file(single):
            faults.append(f"the virtio-win medium has no '{single}'")
    version, newest = version_of(medium), release.newest_drivers
    if newest and not reason:
        if not version:
            faults.append(f"the virtio-win medium does not say its release, and {title} loads {newest} or older alone")
        elif natural_order(version) > natural_order(newest):
            faults.append(
                f"virtio-win {version} signs its drivers for {title} for tests only; take {newest} or older, "
                "or say in options.unsigned_drivers_reason why this one"
            )
    return faults


def driver_notes(medium: MediumContent, release: Release) -> list[str]:
    """Say which drivers will be taken, with their versions where the medium lists them."""
    versions = dict(_listed(medium))
    taken = []
    for driver in drivers(release):
        if path := _inf(medium, driver, release):
            version = versions.get(path.lower(), "")
            taken.append(f"{path.rpartition('/')[0]}{f' {version}' if version else ''}")
    return [f"Drivers of virtio-win {version_of(medium) or '(no release told)'}: {', '.join(taken)}."]


def _inf(medium: MediumContent, driver: Driver, release: Release) -> str:
    """Return the path of a driver's .inf in the first folder that has files; empty if it is not in there."""
    for source in driver.sources(release):
        if medium.glob(f"{source}/*"):
            path = f"{source}/{driver.inf}"
            return path if medium.is_file(path) else ""
    return ""


def _listed(medium: MediumContent) -> Iterator[tuple[str, str]]:
    """Yield the .inf files and versions that the medium's own list has; nothing where it is in another form."""
    try:
        listed = parse_json(medium.read(_LIST, _MOST_BYTES) or b"")
    except ValueError:
        return
    entries = listed.get("drivers", []) if isinstance(listed, dict) else listed
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            path, version = entry.get("inf_path"), entry.get("driver_version")
            if isinstance(path, str) and isinstance(version, str) and re.fullmatch(r"[\d.]{1,40}", version):
                yield path.lower().lstrip("/"), version
