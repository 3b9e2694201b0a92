"""What may be shown or kept: text from guests made harmless, secrets taken out.

Whatever imgpipe prints, logs or keeps beside an image goes through here, and nothing else decides what is a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address

from imgpipe.crypt_methods import without_hashes

SECRET = "(secret)"  # noqa: S105 (what stands instead of one)

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# Where a URL in a text surely ends: a string of JSON, a line (also one inside JSON), or a name in single quotes.
_END = re.compile(r"(?<!\\)(?:\\\\)*(?P<end>\"|\\[nrt])|(?P<mark>\n|'(?=[\s.,:;)\]]|$))")
_HARD_END = re.compile(r"[\"\n]|'(?=[\s.,:;)\]]|$)")
_SPACE = re.compile(r"\s")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}$")
# A name, and behind its colon no port: a login, though what follows may have any sign in it.
_LOGIN = re.compile(r"[^\s/@:\[]*:(?!\d*(?:[/?#\s]|$))")
_WORD = r"(?:\\u[0-9a-fA-F]{4}|\\[\\/]|[^\s\"'<>\\])*"
_QUERY = re.compile(rf"(?P<mark>[?#])(?!\(secret\)){_WORD}")
# As urllib3 tells of a request: the path alone.
_PATH_QUERY = re.compile(
    rf"(?P<path>(?:\burl: |\b(?:GET|HEAD|POST) )[^\s?\"']*\?){_WORD}|(?P<bare>[\w/.~%-]\?)[\w.~%-]+={_WORD}"
)
_BARE_LOGIN = re.compile(r"(?<![\w/:@.-])[\w.~%+-]+:[^\s\"'/@]+@(?=[A-Za-z0-9.-]+(?::[0-9]+)?(?:[/'\"\s,;)]|$))")
# What somebody else need not know of this host and its guests.
_ANY_LOGIN = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]{0,31}://)[^\s/'\"<>]*@")
_SECRET_WORD = re.compile(
    r"passw|passphrase|\bpwd\b|secret|token|credential|(?:api|private|access)[-_ ]?key", re.IGNORECASE
)
_NAMED_SECRET = re.compile(
    rf"(?P<name>[\w.-]*(?:{_SECRET_WORD.pattern})[\w.-]*[\"']?[ \t]*[=:])[ \t]*(?!\(secret\))[^\n]+", re.IGNORECASE
)
_MAC = re.compile(r"(?<![\w:-])(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}(?![\w:-])")
_ADDRESS = re.compile(r"(?<![\w.:])[0-9A-Fa-f:.]{3,45}(?![\w:])")
_HOME = re.compile(r"(?<![\w/])/home/[^/\s'\",;)]+")


def printable(text: str, limit: int = 4096) -> str:
    """Return `text` without control characters, at most `limit` characters long; tabs and line breaks stay.

    Text direction marks go too: they make a terminal show one thing and mean another.
    """
    clean = _CONTROL.sub("", text)
    return clean if len(clean) <= limit else f"{clean[:limit]}…"


def one_line(text: str, limit: int = 500) -> str:
    """Return `text` as one printable line without secrets."""
    return printable(without_secrets(" ".join(text.split())), limit)


def without_secrets(text: str) -> str:
    """Return `text` with password hashes (crypt(5)), and logins, queries and fragments of URLs, replaced.

    JSON stays JSON. A login ends at the last '@' that can be its own: too much is hidden rather than too little.
    """
    text = without_hashes(text, SECRET)
    if "://" in text:
        first, *rest = text.split("://")
        before = [first, *rest]
        text = first + "".join(f"://{_shown(part, before[index])}" for index, part in enumerate(rest))
    return _PATH_QUERY.sub(lambda found: f"{found['path'] or found['bare']}{SECRET}", text) if "?" in text else text


def without_bare_logins(text: str) -> str:
    """Return `text` without secrets, and also without the logins of proxies that somebody wrote without 'http://'."""
    return _BARE_LOGIN.sub(f"{SECRET}@", without_secrets(text))


def for_strangers(text: str, users: Iterable[str] = ()) -> str:
    """Return `text` as it may be sent to people who do not know this host; it is text and no JSON.

    Beside secrets go what follows a word such as 'password=' in its line, logins of every URL, MAC and IP addresses,
    home folders and the names `users`.
    """
    text = _ANY_LOGIN.sub(lambda found: f"{found['scheme']}{SECRET}@", without_bare_logins(text))
    text = _NAMED_SECRET.sub(lambda found: f"{found['name']}{SECRET}", text)
    text = _ADDRESS.sub(lambda found: _without_address(found.group()), _MAC.sub("(MAC)", text))
    text = _HOME.sub("/home/(user)", text)
    for user in users:
        text = re.sub(rf"(?<![\w.-]){re.escape(user)}(?![\w-])", "(user)", text)
    return text


def names_a_secret(text: str) -> bool:
    """Say whether a file's name, a comment or the like speaks of a secret, so that a part of it may be one."""
    return _SECRET_WORD.search(text) is not None


def url_without_secrets(url: str) -> str:
    """Return a URL, and nothing but one, without login, query and fragment; a path of a file stays as it is."""
    scheme, mark, rest = url.partition("://")
    if not mark:
        return url if not _LOGIN.match(url) or "@" not in url else url[url.rfind("@") + 1 :]
    if "@" in rest and _has_login(rest, rest) and not _is_mere_user(scheme, rest):
        rest = rest[rest.rfind("@") + 1 :]
    return f"{scheme}://{re.split('[?#]', rest, maxsplit=1)[0]}"


def _without_address(word: str) -> str:
    """Return the mark of an IP address, with the full stop of a sentence behind it; any other word as it is."""
    address = word.rstrip(".:")
    try:
        known = ip_address(address)
    except ValueError:
        return word
    return word if known.is_loopback or known.is_unspecified else f"(address){word[len(address) :]}"


def _shown(part: str, before: str) -> str:
    """Return what follows a '://' as it may be shown, up to the next one; `before` ends with the scheme."""
    end = _END.search(part)
    at = end.start(end.lastgroup or 0) if end else len(part)
    if end and end["end"] not in (None, '"') and "@" not in part[:at] and _LOGIN.match(part):
        # No line of JSON ends here: a password has a backslash.
        hard = _HARD_END.search(part)
        at = hard.start() if hard else len(part)
    rest, tail = part[:at], part[at:]
    space = _SPACE.search(rest)
    word = rest[: space.start()] if space else rest
    scheme = _SCHEME.search(before)
    if "@" in rest and _has_login(word, rest) and not _is_mere_user(scheme.group() if scheme else "", word):
        rest = f"{SECRET}@{rest[rest.rfind('@') + 1 :]}"
    space = _SPACE.search(rest)
    cut = space.start() if space else len(rest)
    return _QUERY.sub(lambda found: found["mark"] + SECRET, rest[:cut], count=1) + rest[cut:] + tail


def _has_login(word: str, rest: str) -> bool:
    """Say whether a URL of `word`, or one with blanks of `rest`, has a login, however badly that is written."""
    head = word.partition("/")[0]
    signs = "@" in word and not head.startswith("[") and any(sign in head for sign in ":@?#")
    return signs or _LOGIN.match(rest) is not None


def _is_mere_user(scheme: str, word: str) -> bool:
    """Say whether the login is a user's name for SSH, which is no secret, and is needed in commands."""
    user, _, host = word.partition("/")[0].partition("@")
    return scheme.lower().endswith("ssh") and bool(host) and ":" not in user and "@" not in host
