"""Packages of one Debian suite, downloaded and checked by apt, apart from the host's own apt.

The folder given holds apt's state, lists and cache; the host's sources are not read and not touched, its
apt.conf.d is (a proxy belongs to the host).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host.debian_mirror import Mirror, TornMirrorError, told_if_torn
from imgpipe_debian import control

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Given with --config-file, so that it is read after the host's apt.conf.d and overrules it.
_CONFIGURATION = """\
Dir::State "{folder}/state";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures {{ "amd64"; }};
APT::Sandbox::User "";
APT::Get::AllowUnauthenticated "false";
Acquire::Languages "none";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
_COMPONENTS = ("main", "main/debian-installer")

# Names that move from release to release: what Debian signed says which one it is.
_OTHER_NAMES = ("stable", "oldstable")

Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The suite's indexes, fetched and with their signatures checked; made by `open_archive`."""

    folder: Path

    def installer_packages(self) -> dict[str, dict[str, str]]:
        """Return the suite's packages for the installer itself (udebs), by name."""
        listed = self._apt("indextargets", "--format", "$(FILENAME)", "Component: main/debian-installer")
        texts = [process.run("/usr/lib/apt/apt-helper", "cat-file", name) for name in listed.split()]
        return control.packages("\n\n".join(texts))

    def codename(self) -> str:
        """Return the suite's codename as Debian signed it, whatever name it was fetched by."""
        (codename,) = set(self._apt("indextargets", "--format", "$(CODENAME)").split())
        return codename

    def download(self, packages: Iterable[str], target: Path) -> list[Path]:
        """Download packages (`name` or `name=version`) into `target`, hashes checked; return the files."""
        target.mkdir(parents=True, exist_ok=True)
        # A suite may be unknown to a mirror; a package that the suite's own index names may not.
        with told_if_torn("404  Not Found"):
            self._apt("download", *packages, cwd=target)
        return sorted(path for path in target.iterdir() if path.suffix in {".deb", ".udeb"})

    def _apt(self, *words: str, cwd: Path | None = None) -> str:
        return process.run(
            "apt-get", "--quiet", "--config-file", self.folder / "apt.conf", *words, cwd=cwd, timeout_s=3600
        )


def open_archive(mirror: Mirror, suite: str, folder: Path, notify: Notify) -> Archive:
    """Fetch the indexes of `suite` into `folder`; raises HostError if they cannot be had or verified.

    Where a mirror's `suite` is torn, what Debian signed is looked for under the other names of the same suite: a
    mirror that copies when asked has them from another moment.
    """
    if not KEYRING.is_file():
        raise HostError(f"The keyring '{KEYRING}' is not there.", hint="Install the package debian-archive-keyring.")
    try:
        return _fetched(mirror, suite, folder / suite)
    except TornMirrorError:
        for name in _OTHER_NAMES:
            with suppress(HostError):
                archive = _fetched(mirror, name, folder / name)
                if archive.codename() == suite:
                    notify(f"The mirror's '{suite}' is being updated; the same release is read as '{name}'")
                    return archive
        raise


def _fetched(mirror: Mirror, suite: str, folder: Path) -> Archive:
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "apt.conf").write_text(_CONFIGURATION.format(folder=folder))
    options = f"[arch=amd64 signed-by={KEYRING}]"
    (folder / "sources.list").write_text(
        "".join(f"deb {options} {mirror.url} {suite} {component}\n" for component in _COMPONENTS)
    )
    archive = Archive(folder=folder)
    with told_if_torn():
        # Without this, a mirror out of reach is only a warning and the indexes are just missing.
        archive._apt("update", "--error-on=any")
    return archive
