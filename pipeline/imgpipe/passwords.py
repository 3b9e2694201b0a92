"""Passwords: read from a file or the environment, and hashed; kept as they are only for systems that take no hash."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imgpipe.crypt_methods import is_hash
from imgpipe.environment import ROOT_PASSWORD
from imgpipe.errors import RecipeError
from imgpipe.home import in_home
from imgpipe.named_files import read_text
from imgpipe.os_family import Account
from imgpipe.recipe import Recipe, SecretSource

_ROUNDS = 100_000
_LONGEST = 511
"""CRYPT_MAX_PASSPHRASE_SIZE of libxcrypt: a login with a longer one fails (crypt(3))."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    """Where secrets may come from, and the salt that makes a hash repeatable on this data root alone.

    `warn` is told of a file with a secret that everybody on this host can read.
    """

    environ: Mapping[str, str]
    salt: bytes
    warn: Callable[[str], None] = field(default=lambda _: None, compare=False, repr=False)

    def with_default(self, recipe: Recipe) -> Recipe:
        """Return the recipe with root's password from $IMGPIPE_ROOT_PASSWORD, where that is set and it names none."""
        root = recipe.guest.root
        if root.password is not None or not self.environ.get(ROOT_PASSWORD):
            return recipe
        root = root.model_copy(update={"password": SecretSource(env=ROOT_PASSWORD)})
        return recipe.model_copy(update={"guest": recipe.guest.model_copy(update={"root": root})})

    def accounts(self, recipe: Recipe, *, clear: bool = False) -> dict[str, Account]:
        """Return root and every user of the recipe with hashed passwords, and with plain ones where `clear`.

        Raises RecipeError that lists every secret that is missing.
        """
        wanted = {"root": recipe.guest.root.password}
        wanted |= {user.name: user.password for user in recipe.guest.users}
        accounts, missing = {}, []
        for name, source in wanted.items():
            try:
                secret = self._read(source) if source else ""
                password_hash = self._hash(f"{recipe.name}/{name}", secret) if secret else ""
                password = secret if clear and secret != password_hash else ""
                accounts[name] = Account(name=name, password_hash=password_hash, password=password)
            except RecipeError as error:
                missing.append(f"password of '{name}': {error}")
        if missing:
            raise RecipeError(f"Recipe '{recipe.name}' names secrets that are not there.", details=missing)
        return accounts

    def product_key(self, recipe: Recipe) -> str:
        """Return the product key that the recipe leads to, empty where it names none; RecipeError if it is missing."""
        source = recipe.install.product_key
        if source is None:
            return ""
        try:
            return self._read(source)
        except RecipeError as error:
            raise RecipeError(f"Recipe '{recipe.name}' names a product key that is not there: {error}.") from None

    def password_hash(self, owner: str, source: SecretSource) -> str:
        """Return the hash (crypt(5)) of a password, the same for the same `owner` on this data root.

        Raises RecipeError where the source is missing or empty.
        """
        return self._hash(owner, self._read(source))

    def password(self, source: SecretSource) -> str:
        """Return a password as it was given, for a system that takes no hash.

        Raises RecipeError where the source is missing or empty, or holds a hash.
        """
        secret = self._read(source)
        if is_hash(secret):
            raise RecipeError("is a hash (crypt(5)), and this system needs the password itself")
        return secret

    def digest_key(self) -> bytes:
        """Return what keys digests of secrets that others can read; the same for each run on this data root."""
        return hmac.new(self.salt, b"digests of secrets", "sha256").digest()

    def _read(self, source: SecretSource) -> str:
        if source.env is not None:
            secret = self.environ.get(source.env, "")
            where = f"the environment variable '{source.env}'"
        else:
            path = in_home(source.file or "")
            where = f"the file '{path}'"
            try:
                # Some editors mark UTF-8 by a character that nobody sees or types.
                secret = read_text(path).removeprefix("\ufeff").partition("\n")[0]
                if path.stat().st_mode & 0o004:
                    self.warn(f"Everybody on this host can read '{path}', which holds a secret: 'chmod 600' it.")
            except (OSError, UnicodeDecodeError) as error:
                raise RecipeError(f"{where} cannot be read ({type(error).__name__})") from None
        if not secret:
            raise RecipeError(f"{where} is empty or not set")
        if fault := _fault(secret):
            raise RecipeError(f"{where} {fault}")
        return secret

    def _hash(self, owner: str, password: str) -> str:
        if is_hash(password):
            return password
        from passlib.hash import sha512_crypt  # noqa: PLC0415 (slow to import, and most recipes need none)

        # A salt that is random for each data root, and the same for each build on it: otherwise the answer file,
        # and with it the name of the half-hour install, would change with every run.
        digest = hmac.new(self.salt, owner.encode(), "sha256").digest()
        salt = base64.b64encode(digest, altchars=b"./").decode()[:16]
        hashed: str = sha512_crypt.using(salt=salt, rounds=_ROUNDS).hash(password)
        return hashed


def _fault(secret: str) -> str:
    """Return why nobody could ever log in with a secret, as the rest of a sentence; empty where it is sound."""
    try:
        length = len(secret.encode())
    except UnicodeEncodeError:
        return "is no text in UTF-8"
    if _CONTROL.search(secret):
        return "has a control character or a line break in it"
    return f"is longer than {_LONGEST} bytes" if length > _LONGEST else ""
