"""Computer names of Windows (Microsoft: 'ComputerName', 'Naming conventions in Active Directory')."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.deploy.names import COMPUTER_NAME, computer_name

FORBIDDEN = frozenset("{|}~[]^':;<=>?@!\"#$%()+/.,*&`\\ ")


def of_host(hostname: str) -> str:
    """Return the computer name of a host: its first label, cut to 15 characters, in capitals."""
    return computer_name(hostname.partition(".")[0])


def faults(name: str) -> Iterator[str]:
    """Yield what Windows would refuse in a computer name; without any, Setup takes it as it is."""
    if not name:
        yield "the computer name is empty"
    # Bytes and not characters count; what is longer is refused here, and never cut in silence.
    if len(name.encode()) > COMPUTER_NAME:
        yield f"the computer name '{name}' has more than {COMPUTER_NAME} bytes"
    wrong = "".join(dict.fromkeys(sign for sign in name if sign in FORBIDDEN or not sign.isprintable()))
    if wrong:
        yield f"the computer name '{name}' has characters that Windows forbids: {wrong!r}"
    if name.isdigit():
        yield f"the computer name '{name}' has digits alone"
    if name.startswith("-") or name.endswith("-"):
        yield f"the computer name '{name}' begins or ends with a hyphen"
