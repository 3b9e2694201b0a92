"""What the answer file shall say, decided from the order: the only thing its parts are written from."""

from __future__ import annotations

from dataclasses import dataclass, field

from imgpipe.domain_spec import passing_mac
from imgpipe.os_family import Order
from imgpipe.recipe import Nic
from imgpipe_windows.options import WindowsOptions
from imgpipe_windows.systems import Release
from imgpipe_windows.zones import windows_zone


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNic:
    """A network interface and the MAC address that the install machine gives it."""

    mac: str
    nic: Nic

    @property
    def identifier(self) -> str:
        """The MAC address as Windows writes it: names such as 'Ethernet 2' are not stable, and differ by language."""
        return self.mac.upper().replace(":", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The decisions. `image` is a key of the image's metadata and its value; `key` is empty for no product key."""

    release: Release
    options: WindowsOptions
    firmware: str
    language: str
    input_locale: str
    zone: str
    image: tuple[str, str]
    nics: tuple[WantedNic, ...]
    hardware_checks: bool
    password: str = field(repr=False)
    key: str = field(repr=False)


def wishes(order: Order, release: Release, options: WindowsOptions) -> Wishes:
    """Decide; raises RecipeError for a time zone that Windows does not know."""
    recipe = order.recipe
    language = options.language or _language(recipe.guest.locale)
    by_index = ("/IMAGE/INDEX", str(options.image_index))
    by_name = ("/IMAGE/NAME", options.edition or release.edition)
    return Wishes(
        release=release,
        options=options,
        firmware=recipe.machine.firmware,
        language=language,
        input_locale=options.input_locale or language,
        zone=windows_zone(recipe.guest.timezone),
        image=by_index if options.image_index else by_name,
        nics=tuple(WantedNic(mac=passing_mac(nic, index), nic=nic) for index, nic in enumerate(recipe.nics)),
        hardware_checks=_has(options.tpm) and _has(options.secure_boot),
        password=order.accounts["root"].password,
        key=order.product_key or _setup_key(release, options),
    )


def _has(option: bool | None) -> bool:
    return option is None or option


def _setup_key(release: Release, options: WindowsOptions) -> str:
    """Return Microsoft's public key for volume media of the edition; they are no licences."""
    edition = (options.edition or release.edition).upper()
    if options.key == "none" or "EVAL" in edition:
        return ""
    return release.keys[1 if "DATACENTER" in edition or "ENTERPRISE" in edition else 0]


def _language(locale: str) -> str:
    """Return Windows' tag of a POSIX locale ('zh_CN.UTF-8' is 'zh-CN'); English where it names no country."""
    name = locale.partition(".")[0].partition("@")[0]
    return name.replace("_", "-") if "_" in name else "en-US"
