"""Keys by name, as the Linux input layer numbers them (include/uapi/linux/input-event-codes.h)."""

from __future__ import annotations

from imgpipe.errors import PluginError

_ROWS = (
    (1, "ESC 1 2 3 4 5 6 7 8 9 0 MINUS EQUAL BACKSPACE TAB"),
    (16, "Q W E R T Y U I O P LEFTBRACE RIGHTBRACE ENTER LEFTCTRL"),
    (30, "A S D F G H J K L SEMICOLON APOSTROPHE GRAVE LEFTSHIFT BACKSLASH"),
    (44, "Z X C V B N M COMMA DOT SLASH RIGHTSHIFT KPASTERISK LEFTALT SPACE CAPSLOCK"),
    (59, "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10"),
    (102, "HOME UP PAGEUP LEFT RIGHT END DOWN PAGEDOWN INSERT DELETE"),
)
_CODES = {f"KEY_{name}": first + place for first, names in _ROWS for place, name in enumerate(names.split())} | {
    "KEY_F11": 87,
    "KEY_F12": 88,
}


def key_code(name: str) -> int:
    """Return the number of a key such as 'KEY_SPACE'; raises PluginError for one that is not known."""
    try:
        return _CODES[name]
    except KeyError:
        raise PluginError(f"There is no key '{name}'.", hint="Use names such as 'KEY_ENTER' or 'KEY_SPACE'.") from None
