"""Names of machines: one label each, which is the machine's, its disk's and the first part of its guest's host name."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

from imgpipe.model_faults import spelled

LONGEST_HOST_NAME = 64
"""HOST_NAME_MAX of Linux: what sethostname(2) accepts, domain included."""
COMPUTER_NAME = 15
"""Characters of a Windows computer name (NetBIOS) that count."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

LABEL_RULE = "a name has lower-case letters, digits and '-' between them, at most 63, no '_' and no '.'"
PATTERN_RULE = "numbered names are written with their number's place: 'vm{n:03}' is vm001, vm002 and so on"

Label = Annotated[str, StringConstraints(pattern=rf"^{_LABEL}$"), spelled(LABEL_RULE)]
"""One part of a host name, in lower case (RFC 1123)."""
NamePattern = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9-]*\{n(:0[1-9])?\}[a-z0-9-]*$", max_length=60), spelled(PATTERN_RULE)
]
"""A label with a number in it: 'web-{n}', or 'web-{n:02}' for at least two digits."""

_NUMBER = re.compile(r"\{n(?::0([1-9]))?\}")


def default_pattern(group: str) -> str:
    """Return the names of a group that says nothing: two digits for any count, so that it can grow."""
    return f"{group}-{{n:02}}"


def numbered(pattern: str, first: int, count: int) -> tuple[str, ...]:
    """Return `count` names from the number `first` on."""
    return tuple(with_number(pattern, number) for number in range(first, first + count))


def with_number(pattern: str, number: int) -> str:
    """Return a name pattern with its number filled in."""
    return _NUMBER.sub(lambda found: str(number).zfill(int(found[1] or 1)), pattern)


def without_number(pattern: str) -> str:
    """Return what a name pattern says beside the number ('web' for 'web-{n:02}'); a plain name is returned as it is."""
    return _NUMBER.sub("", pattern).strip("-")


def is_label(name: str) -> bool:
    """Say whether a name can be one label of a host name."""
    return re.fullmatch(_LABEL, name) is not None


def host_name(label: str, domain: str | None) -> str:
    """Return the name that the guest calls itself."""
    return f"{label}.{domain}" if domain else label


def computer_name(label: str) -> str:
    """Return what Windows makes of a name: at most 15 characters, case ignored."""
    return label[:COMPUTER_NAME].rstrip("-").upper()
