"""The autoinstall document: what subiquity itself has to do.

Format: canonical/subiquity, doc/reference/autoinstall-reference.rst. It is built as data and written as JSON, which
is YAML: cloud-init and subiquity read it with the same parser, it needs no second quoting style, and none of
YAML's readings of bare words ('no', '1:30', '0o17') can touch a value. Everything in it is ASCII, where JSON's and
YAML's escapes are the same.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from imgpipe.errors import RecipeError
from imgpipe.keyboards import keyboard_fault, xkb_layout
from imgpipe.os_family import Order
from imgpipe.recipe import Install, Recipe
from imgpipe_ubuntu.netplan import ANY_DHCP, OFFLINE
from imgpipe_ubuntu.storage import Layout

SEED_LABEL = "CIDATA"
OK = "IMGPIPE-INSTALL-OK"
FAIL = "IMGPIPE-INSTALL-FAIL"
PROOF_FILE = "/var/lib/imgpipe/installed"

_SEED = "/run/imgpipe-seed"
# $1 is the word of the proof, so that subiquity's own line about this command never is the proof.
_PROVE = (
    f"mkdir -p /target/var/lib/imgpipe && printf '%s\\n' \"$1\" >/target{PROOF_FILE} && sync"
    f" && printf '{OK} %s\\n' \"$1\" >/dev/ttyS0"
)
_DEBIAN_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def user_data(order: Order, layout: Layout, *, source: str) -> str:
    """Return the seed's user-data; raises RecipeError for packages and URLs that Ubuntu cannot take."""
    document = {"autoinstall": _autoinstall(order, layout, source)}
    return "#cloud-config\n" + json.dumps(document, indent=2) + "\n"


def fetches_packages(recipe: Recipe) -> bool:
    """Tell whether the installer needs a network; packages may also be on the medium of an isolated install."""
    return bool(recipe.guest.packages.add) and recipe.install.network != "isolated"


def _autoinstall(order: Order, layout: Layout, source: str) -> dict[str, Any]:
    recipe, guest = order.recipe, order.recipe.guest
    online = fetches_packages(recipe)
    document: dict[str, Any] = {
        "version": 1,
        "refresh-installer": {"update": False},
        "locale": guest.locale,
        "keyboard": _keyboard(guest.keyboard),
        "timezone": guest.timezone,
        "source": {"id": source, "search_drivers": False},
        "network": ANY_DHCP if online else OFFLINE,
        "apt": _apt(recipe.install, online=online),
        # Only run where there is a network; it cannot be switched off (server/controllers/updates.py).
        "updates": "security",
        "storage": {"swap": {"size": 0}, "config": list(layout.config)},
        # Stands for 'identity', which would need a user: accounts are made by the script in the target. An empty list
        # of users would say it better, but the schema of cloud-init, which subiquity asks, refuses one.
        "user-data": {"disable_root": False},
        "ssh": {"install-server": True, "allow-pw": any(item.password_hash for item in order.accounts.values())},
        "late-commands": _late_commands(order.system.name),
        "error-commands": [["sh", "-c", _text("failed.sh")]],
        "shutdown": "poweroff",
    }
    if guest.packages.add:
        document["packages"] = [_package(name) for name in guest.packages.add]
    if online and recipe.install.proxy:
        document["proxy"] = _ascii_url("install.proxy", recipe.install.proxy)
    return document


def _keyboard(name: str) -> dict[str, str]:
    """Return subiquity's setting of a keyboard; it refuses what its kbds/C.jsonl has not (models/keyboard.py).

    One that can type no ASCII is switched to from 'us', as subiquity itself does for whom it asks
    (server/controllers/keyboard.py, latinizable); an autoinstall it takes as it is.
    """
    known = xkb_layout(name)
    if known is None:
        raise RecipeError("The recipe names a keyboard that Ubuntu has not.", details=[keyboard_fault(name)])
    if not known.latin:
        return {"layout": f"us,{known.layout}", "variant": f",{known.variant}", "toggle": "alt_shift_toggle"}
    return {"layout": known.layout} | ({"variant": known.variant} if known.variant else {})


def _apt(install: Install, *, online: bool) -> dict[str, Any]:
    """Return the apt section; the host's own mirror is never asked, as it seldom is one of Ubuntu's."""
    apt: dict[str, Any] = {"geoip": False, "fallback": "abort" if online else "offline-install"}
    if online and install.mirror:
        uri = _ascii_url("install.mirror", install.mirror)
        # The older of the two forms: installers of 22.04 before 22.10's know no 'mirror-selection'.
        apt["primary"] = [{"arches": ["default"], "uri": uri}]
    return apt


def _late_commands(word: str) -> list[list[str]]:
    return [
        ["mkdir", "-p", _SEED],
        ["mount", "-o", "ro", f"/dev/disk/by-label/{SEED_LABEL}", _SEED],
        ["sh", f"{_SEED}/late.sh"],
        ["umount", _SEED],
        ["sh", "-c", _PROVE, "prove", word],
    ]


def _package(name: str) -> str:
    if not _DEBIAN_PACKAGE.fullmatch(name):
        raise RecipeError(
            f"'{name}' cannot be the name of an Ubuntu package.",
            hint="Groups ('@name'), wildcards and versions are not known here; name single packages.",
        )
    return name


def _ascii_url(key: str, url: str) -> str:
    if not url.isascii():
        raise RecipeError(f"The URL of '{key}' is not ASCII.", hint="Percent-encode it, and write its host in IDNA.")
    return url


def seed_script(name: str) -> str:
    """Return a script of this plugin that goes on the seed unchanged."""
    return _text(name)


def _text(name: str) -> str:
    return resources.files("imgpipe_ubuntu").joinpath(name).read_text(encoding="utf-8")
