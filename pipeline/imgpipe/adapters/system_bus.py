"""Calls over the host's system bus (D-Bus), by jeepney: the only module that speaks it."""

from __future__ import annotations

from typing import Any

from jeepney import DBusAddress, Message, MessageType, Properties, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from imgpipe.errors import HostError

# NetworkManager and the bus answer at once, but a loaded host may not.
_LONGEST_S = 60.0


class SystemBus:
    """One connection to the system bus; every failure is a HostError that says what was asked.

    A call that is interrupted (Ctrl-C, a lost terminal) ends its connection, and the next call opens another one.
    """

    def __init__(self) -> None:
        self._connection: DBusConnection | None = _open()

    def call(self, target: DBusAddress, method: str, signature: str = "", *arguments: object) -> tuple[Any, ...]:
        """Call a method and return what it answers."""
        return self._ask(new_method_call(target, method, signature or None, arguments), method)

    def properties(self, target: DBusAddress) -> dict[str, Any]:
        """Return all properties of one interface of an object, their variants unpacked."""
        (found,) = self._ask(Properties(target).get_all(), "GetAll")
        return {name: value for name, (_, value) in found.items()}

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, message: Message, method: str) -> tuple[Any, ...]:
        if self._connection is None:
            self._connection = _open()
        try:
            reply = self._connection.send_and_get_reply(message, timeout=_LONGEST_S)
        except (OSError, TimeoutError) as error:
            raise HostError(f"NetworkManager did not answer '{method}': {error or 'it took too long'}.") from None
        except KeyboardInterrupt:
            # It may have come between two parts of a message: what follows could not be told from the rest of it.
            self.close()
            raise
        if reply.header.message_type == MessageType.error:
            raise HostError(f"NetworkManager refused '{method}': {_words(reply)}")
        return tuple(reply.body)


def _open() -> DBusConnection:
    try:
        return open_dbus_connection(bus="SYSTEM", auth_timeout=_LONGEST_S)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise HostError(
            f"The system's D-Bus cannot be reached: {why}.", hint="NetworkManager needs it; is 'dbus' running?"
        ) from None


def _words(reply: Message) -> str:
    said = " ".join(word for word in reply.body if isinstance(word, str))
    return f"{said.rstrip('.') or 'it gave no reason'}."
