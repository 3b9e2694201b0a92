"""The password hashes of crypt(5), known here alone: what an operator gives as one, what is hidden and searched for.

Every method of libxcrypt is here, whether or not a system accepts it any more: a hash that nobody can log in with
tells the password all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ITOA64 = "[./0-9A-Za-z]"


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptMethod:
    """One method, by what its hashes begin with; `example` is a hash of it, of no password that anybody has."""

    name: str
    prefix: str
    example: str


METHODS = (
    CryptMethod(name="yescrypt", prefix="$y$", example="$y$j9T$" + "s" * 22 + "$" + "h" * 43),
    CryptMethod(name="gost-yescrypt", prefix="$gy$", example="$gy$j9T$" + "s" * 22 + "$" + "h" * 43),
    CryptMethod(name="sm3-yescrypt", prefix="$sm3y$", example="$sm3y$j9T$" + "s" * 22 + "$" + "h" * 43),
    CryptMethod(name="scrypt", prefix="$7$", example="$7$CU..../..../" + "s" * 22 + "$" + "h" * 43),
    CryptMethod(name="bcrypt", prefix="$2b$", example="$2b$12$" + "s" * 22 + "h" * 31),
    CryptMethod(name="bcrypt (a)", prefix="$2a$", example="$2a$12$" + "s" * 22 + "h" * 31),
    CryptMethod(name="bcrypt (x)", prefix="$2x$", example="$2x$12$" + "s" * 22 + "h" * 31),
    CryptMethod(name="bcrypt (y)", prefix="$2y$", example="$2y$12$" + "s" * 22 + "h" * 31),
    CryptMethod(name="sha512crypt", prefix="$6$", example="$6$rounds=5000$sa_lt-salt$" + "h" * 86),
    CryptMethod(name="sha256crypt", prefix="$5$", example="$5$rounds=5000$saltsalt$" + "h" * 43),
    CryptMethod(name="sm3crypt", prefix="$sm3$", example="$sm3$rounds=5000$saltsalt$" + "h" * 43),
    CryptMethod(name="sha1crypt", prefix="$sha1$", example="$sha1$40000$saltsalt$" + "h" * 28),
    CryptMethod(name="SunMD5", prefix="$md5", example="$md5,rounds=5000$saltsalt$$" + "h" * 22),
    CryptMethod(name="md5crypt", prefix="$1$", example="$1$saltsalt$" + "h" * 22),
    CryptMethod(name="NT", prefix="$3$", example="$3$$" + "0123456789abcdef" * 2),
    CryptMethod(name="bsdicrypt", prefix="_", example="_J9..salt" + "h" * 11),
)
"""All but descrypt, whose 13 letters nothing marks: it is known by its place alone, see `hashes`."""

_IDS = "|".join(
    re.escape(method.prefix.strip("$")) for method in METHODS if method.prefix[0] == "$" and method.name != "SunMD5"
)
# The parts between dollars are parameters and salt; a salt may be of nearly all letters. JSON and XML stay whole.
_DOLLAR = rf"\$(?:(?:{_IDS})\$|md5(?:,rounds=[0-9]+)?\$)(?:[^\s$:\"'\\<>]{{0,128}}\$){{0,4}}[./0-9A-Za-z=,+-]{{8,}}"
# The fourth letter of the count is a dot for every count below 262144, and makes it unlike an ordinary word.
_BSDI = rf"(?<![\w./$])_{_ITOA64}{{3}}\.{_ITOA64}{{15}}(?![\w/]|\.[\w./])"
_HASH = re.compile(f"{_DOLLAR}|{_BSDI}")
# What is written on purpose where no password shall fit; cloud images' kickstarts have such words.
_LOCKING = re.compile(
    r"(x|np|nope|none|nologin|no-?password|disabled|invalid|locked|.*nopassword.*locked.*)", re.IGNORECASE
)
# Where only a hash can stand: the second field of shadow(5), behind '--iscrypted' and behind debconf's '-crypted'.
_DES_PLACES = (
    re.compile(rf"(?<![\w:])[a-z_][a-z0-9_-]*\$?:!?(?P<hash>{_ITOA64}{{13}}):[0-9]*:"),
    re.compile(rf"--iscrypted(?:[ \t]+--\S+)*[ \t]+(?P<hash>{_ITOA64}{{13}})(?![\w./])"),
    re.compile(rf"--password=(?P<hash>{_ITOA64}{{13}})[ \t]+(?:--\S+[ \t]+)*--iscrypted(?![\w-])"),
    re.compile(rf"-crypted[ \t]+password[ \t]+(?P<hash>{_ITOA64}{{13}})(?![\w./])"),
)


def is_hash(text: str) -> bool:
    """Say whether a text is a hash, and no password; 13 letters of descrypt could be either, and are a password."""
    return _HASH.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class HashFault:
    """Why a text is no hash, as the end of a sentence; `certain`: nobody can ever log in with it."""

    text: str
    certain: bool


def hash_fault(text: str) -> HashFault | None:
    """Say what is wrong with a text where a hash of crypt(5), or the mark of a locked account, is wanted.

    A mark is anything that begins with '!' or '*' (shadow(5)); 13 letters may be a hash of descrypt.
    """
    if text[:1] in {"!", "*", ""} or is_hash(text) or re.fullmatch(f"{_ITOA64}{{13}}", text):
        return None
    if _LOCKING.fullmatch(text):
        return HashFault(text="is no hash of crypt(5), which locks the account where that is meant", certain=False)
    if any(text.startswith(method.prefix) for method in METHODS if method.prefix != "_"):
        return HashFault(text="begins as a hash of crypt(5) and does not go on as one", certain=False)
    return HashFault(text="is no hash of crypt(5)", certain=True)


def hashes(text: str) -> Iterator[str]:
    """Yield the hashes in a text, those of descrypt where nothing else can stand."""
    yield from (found.group() for found in _HASH.finditer(text))
    for place in _DES_PLACES:
        yield from (found["hash"] for found in place.finditer(text))


def without_hashes(text: str, instead: str) -> str:
    """Return the text with each hash replaced; JSON stays JSON."""
    text = _HASH.sub(lambda _: instead, text)
    for place in _DES_PLACES:
        text = place.sub(lambda found: found.group().replace(found["hash"], instead), text)
    return text
