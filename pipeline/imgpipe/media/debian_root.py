"""Media made on this host from Debian's packages: one run of mmdebstrap, with scripts that turn its root into files.

The scripts run beside the new root, whose path is their first argument. What they read lies in `.imgpipe/kit` of
that root, and what they make belongs in `.imgpipe/out`.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imgpipe.adapters import process
from imgpipe.errors import HostError
from imgpipe.host import debian_mirror

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PROGRAMS = ("mmdebstrap", "tar")
HOST_PACKAGES = ("mmdebstrap", "tar", "debian-archive-keyring")


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianRoot:
    """What is built: packages of a suite, in the manner of mmdebstrap's variant, and the files of the kit by name.

    `scripts` are pairs of a hook of mmdebstrap and a file of the kit; the results are fetched in `last_hook`.
    `settings` are lists of words that the scripts read as variables from the kit's `settings`.
    """

    suite: str
    variant: str
    packages: tuple[str, ...]
    kit: tuple[tuple[str, Path], ...]
    scripts: tuple[tuple[str, str], ...]
    last_hook: str
    results: tuple[str, ...]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def check_host(programs: Iterable[str], packages: Iterable[str]) -> None:
    """Raise HostError if programs or the archive's keyring are missing; `packages` has them, by Debian's names."""
    missing = [program for program in programs if not process.is_installed(program)]
    if missing or not KEYRING.is_file():
        wanted = ", ".join(f"'{name}'" for name in missing) or f"'{KEYRING}'"
        raise HostError(
            f"The stand-in medium cannot be made: {wanted} is missing.",
            hint=f"Install the packages {' '.join(packages)} (names of Debian).",
        )


def digest(kit: Iterable[tuple[str, Path]], sources: Iterable[Path]) -> str:
    """Return the sha256 of a kit and of the modules that use it."""
    total = hashlib.sha256(Path(__file__).read_bytes())
    for name, path in kit:
        total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    for path in sources:
        total.update(path.read_bytes())
    return total.hexdigest()


def build(root: DebianRoot, work: Path) -> Path:
    """Build in the folder `work`; return the folder of the results. Raises HostError if a step fails."""
    results = work / "results"
    results.mkdir()
    _pack_kit(root, work)
    source = f"deb [signed-by={KEYRING}] {debian_mirror.of_host().url} {root.suite} main"
    with debian_mirror.told_if_torn():
        process.run(
            "mmdebstrap", "--mode=auto", f"--variant={root.variant}", "--architectures=amd64",
            "--format=null", "--skip=cleanup",
            f"--include={','.join(root.packages)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in root.left_out),
            '--setup-hook=mkdir -p "$1/.imgpipe/out"',
            f"--setup-hook=tar-in {work / 'kit.tar'} /.imgpipe",
            *(f'--{hook}-hook=. "$1/.imgpipe/kit/{script}"' for hook, script in root.scripts),
            *(f"--{root.last_hook}-hook=download /.imgpipe/out/{name} {results / name}" for name in root.results),
            root.suite, "/dev/null", "-",
            # By stdin, because an error shows the command, and the mirror's address is the host's own business.
            stdin=source,
            timeout_s=3600,
            env=_temporary_folder(work),
        )  # fmt: skip
    return results


def _pack_kit(root: DebianRoot, work: Path) -> None:
    kit = work / "kit"
    for name, path in root.kit:
        place = kit / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    settings = (f"{name}={shlex.quote(' '.join(words))}\n" for name, words in root.settings.items())
    (kit / "settings").write_text("".join(settings))
    process.run(
        "tar", "--create", "--file", work / "kit.tar", "--directory", work,
        "--owner=0", "--group=0", "--mode=u=rwX,go=rX", "kit",
    )  # fmt: skip


def _temporary_folder(work: Path) -> dict[str, str]:
    # The mapped user of an unprivileged build may not enter our folder; /tmp lets everybody in.
    return {"TMPDIR": os.fspath(work)} if os.geteuid() == 0 else {}
