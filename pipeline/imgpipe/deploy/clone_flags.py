"""What `imgpipe clone` is asked for, from its options' texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import TypeVar

from imgpipe.deploy.addresses import DHCP, AddressRange, parse_range
from imgpipe.deploy.cloning import CloneOrder
from imgpipe.deploy.names import LABEL_RULE, is_label
from imgpipe.disclosure import one_line
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
    faults = [f"'{one_line(name, 80)}': {LABEL_RULE}" for name in flags.names if not is_label(name)]

    def parsed(option: str, parse: Callable[[str], _Value], texts: Sequence[str]) -> list[_Value]:
        found = []
        for text in texts:
            try:
                found.append(parse(text))
            except OSError as error:
                faults.append(f"{option} '{text}': cannot be read: {error.strerror}")
            except ValueError as error:
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
    try:
        address = IPv4Address(text)
    except ValueError:
        # Python's own sentence says how it reads, not what to write.
        raise ValueError("must be an IPv4 address, such as '10.100.1.10'") from None
    return usable_address(address)


def _keys(file: str) -> list[str]:
    """Return the public keys in a file; its lines are never shown, because they may be a private key's."""
    lines = read_text(in_home(file)).splitlines()
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found or not all(line.isprintable() and line.startswith(("ssh-", "ecdsa-", "sk-")) for line in found):
        raise ValueError("has lines that are no public keys, or none at all")
    return found
