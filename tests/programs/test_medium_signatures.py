"""CHECKSUM files signed by gpg and checked through gpgv."""

import os
import subprocess

import pytest

from imgpipe.errors import RecipeError
from imgpipe.media.verify import expectations
from imgpipe.recipe import MediumSource

pytestmark = pytest.mark.programs

DIGEST = "a" * 64


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """Return a folder with two keys' keyrings, and a function that runs gpg with them."""
    # gpg-agent's socket needs a short path, which pytest's own need not be.
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    env = {**os.environ, "GNUPGHOME": str(home), "LC_ALL": "C.UTF-8"}

    def gpg(*argv):
        words = (
            "gpg",
            "--batch",
            "--yes",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
            *map(str, argv),
        )
        return subprocess.run(words, capture_output=True, timeout=120, check=True, env=env).stdout

    for name in ("right", "wrong"):
        gpg("--quick-generate-key", f"{name}@example.invalid", "ed25519", "sign", "never")
        (home / f"{name}.gpg").write_bytes(gpg("--export", f"{name}@example.invalid"))
        (home / f"{name}.asc").write_bytes(gpg("--armor", "--export", f"{name}@example.invalid"))
    yield home, gpg
    subprocess.run(["gpgconf", "--kill", "all"], env=env, timeout=60, check=True)


def wanted(folder, keyring):
    source = MediumSource(checksums=str(folder / "CHECKSUM"), keyring=str(keyring))
    return expectations(source, "m.iso")[0].digest


@pytest.fixture
def checksum(tmp_path):
    path = tmp_path / "CHECKSUM"
    path.write_text(f"SHA256 (m.iso) = {DIGEST}\n")
    return path


@pytest.mark.parametrize("ending", ["gpg", "asc"])
def test_a_detached_signature_of_the_right_key_is_good(signer, checksum, ending):
    home, gpg = signer
    gpg("--local-user", "right@example.invalid", "--armor", "--detach-sign", checksum)
    assert wanted(checksum.parent, home / f"right.{ending}") == DIGEST


def test_another_key_s_signature_is_refused(signer, checksum):
    home, gpg = signer
    gpg("--local-user", "wrong@example.invalid", "--output", f"{checksum}.sig", "--detach-sign", checksum)
    with pytest.raises(RecipeError, match="not signed by a key of") as caught:
        wanted(checksum.parent, home / "right.gpg")
    assert any("gpgv" in line for line in caught.value.details)


def test_a_file_changed_after_signing_is_refused(signer, checksum):
    home, gpg = signer
    gpg("--local-user", "right@example.invalid", "--armor", "--detach-sign", checksum)
    checksum.write_text(f"SHA256 (m.iso) = {'b' * 64}\n")
    with pytest.raises(RecipeError, match="not signed by a key of"):
        wanted(checksum.parent, home / "right.gpg")


def test_a_file_without_signature_is_refused(signer, checksum):
    with pytest.raises(RecipeError, match="is not signed"):
        wanted(checksum.parent, signer[0] / "right.gpg")


def test_of_a_clearsigned_file_only_the_signed_text_counts(signer, checksum):
    home, gpg = signer
    signed = gpg("--local-user", "right@example.invalid", "--output", "-", "--clear-sign", checksum).decode()
    checksum.write_text(signed)
    assert wanted(checksum.parent, home / "right.asc") == DIGEST
    checksum.write_text(f"{signed}SHA256 (other.iso) = {'b' * 64}\n")
    source = MediumSource(checksums=str(checksum), keyring=str(home / "right.asc"))
    with pytest.raises(RecipeError):
        expectations(source, "other.iso")
    checksum.write_text(signed.replace(DIGEST, "c" * 64))
    with pytest.raises(RecipeError, match="not signed by a key of"):
        wanted(checksum.parent, home / "right.asc")


def test_a_keyring_that_is_not_there_is_named(signer, checksum):
    gpg = signer[1]
    gpg("--local-user", "right@example.invalid", "--armor", "--detach-sign", checksum)
    with pytest.raises(RecipeError, match=r"keyring '.*none.gpg' cannot be read"):
        wanted(checksum.parent, checksum.parent / "none.gpg")
