"""What `imgpipe clone` is asked for, from its options' texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from imgpipe.deploy.addresses import DHCP, AddressRange, parse_range
from imgpipe.deploy.cloning import CloneOrder
from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.named_files import read_text
from imgpipe.usable_addresses import usable_address

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloneFlags:
    """The options as they come; `keys` are files."""

    names: Sequence[str]
    addresses: Sequence[str] = ()
    gateway: str | None = None
    dns: Sequence[str] = ()
    keys: Sequence[Path] = ()
    dhcp: bool = False
    same_addresses: bool = False
    linked: bool = False


def order_of(flags: CloneFlags) -> CloneOrder:
    """Return the order that the options mean; raises RecipeError with all their faults."""
    faults: list[str] = []

    def parsed(option: str, parse: Callable[[str], _Value], texts: Sequence[str]) -> list[_Value]:
        found = []
        for text in texts:
            try:
                found.append(parse(text))
            except (ValueError, OSError) as error:
                faults.append(f"{option} '{text}': {error}")
        return found

    gateways = parsed("--gateway", _address, [flags.gateway] if flags.gateway else [])
    keys = parsed("--key-file", _keys, list(map(str, flags.keys)))
    order = CloneOrder(
        names=tuple(flags.names),
        ranges=tuple(parsed("--addresses", _range, flags.addresses)),
        gateway=gateways[0] if gateways else None,
        dns=tuple(parsed("--dns", _address, flags.dns)),
        dhcp=flags.dhcp,
        same_addresses=flags.same_addresses,
        keys=tuple(key for file in keys for key in file),
        linked=flags.linked,
    )
    if faults:
        raise RecipeError("What the clones shall get is not valid.", details=faults)
    return order


def _range(text: str) -> AddressRange | None:
    return None if text == DHCP else parse_range(text)


def _address(text: str) -> IPv4Address:
    return usable_address(IPv4Address(text))


def _keys(file: str) -> list[str]:
    """Return the public keys in a file; its lines are never shown, because they may be a private key's."""
    lines = read_text(in_home(file)).splitlines()
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found or not all(line.isprintable() and line.startswith(("ssh-", "ecdsa-", "sk-")) for line in found):
        raise ValueError("has lines that are no public keys, or none at all")
    return found
