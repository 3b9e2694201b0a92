"""The files that the kickstart writes into the installed system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imgpipe.errors import RecipeError
from imgpipe.recipe import Guest
from imgpipe_el.kickstart.quoting import Quoted, here_document
from imgpipe_el.kickstart.sysctl import removal
from imgpipe_el.release import Release

# fs.nr_open where nothing raises it: a login whose nofile limit is above it is refused by pam_limits.
_NR_OPEN = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A file of the installed system; `mode` in octal digits, as install(1) takes it."""

    path: str
    lines: tuple[str, ...]
    mode: str = "0644"

    @property
    def document(self) -> Quoted:
        """Return the content as a here-document."""
        return here_document(self.lines)


def target_files(guest: Guest, release: Release) -> Iterator[TargetFile]:
    """Yield the files that hold the recipe's settings; raises RecipeError for a setting that the release lacks."""
    settings = tuple(_sysctl_lines(guest, release))
    if settings:
        yield TargetFile(path="/etc/sysctl.d/90-imgpipe.conf", lines=settings)
    limits = {key: value for key, value in guest.limits.model_dump().items() if value is not None}
    if limits:
        # A '*' does not reach root, which pam_limits treats on its own.
        lines = (f"{who} - {key} {value}" for who in ("*", "root") for key, value in limits.items())
        yield TargetFile(path="/etc/security/limits.d/90-imgpipe.conf", lines=tuple(lines))
        defaults = (f"DefaultLimit{key.upper()}={value}" for key, value in limits.items())
        # limits.d is read by PAM alone: services get their limits from systemd.
        yield TargetFile(path="/etc/systemd/system.conf.d/90-imgpipe.conf", lines=("[Manager]", *defaults))
    if guest.sshd and release.sshd_drop_ins:
        # Named to be read before the vendor's own file: sshd keeps the first value that it reads.
        yield TargetFile(path="/etc/ssh/sshd_config.d/00-imgpipe.conf", lines=sshd_lines(guest), mode="0600")


def sshd_lines(guest: Guest) -> tuple[str, ...]:
    """Return the recipe's sshd_config lines; raises RecipeError for a block, which would swallow what follows."""
    for key in guest.sshd:
        if key.lower() in {"match", "include"}:
            raise RecipeError(
                f"'guest.sshd' takes settings, and '{key}' is none.",
                hint="Write the block into a file of sshd_config.d with a sysprep operation.",
            )
    return tuple(f"{key} {value}" for key, value in guest.sshd.items())


def _sysctl_lines(guest: Guest, release: Release) -> Iterator[str]:
    settings = dict(guest.sysctl)
    nofile = guest.limits.nofile or 0
    if nofile > _NR_OPEN:
        settings.setdefault("fs.nr_open", nofile)
    for key, value in settings.items():
        when = removal(key, release.kernel)
        if when:
            raise RecipeError(
                f"The kernel setting '{key}' {when}: {release.system.title} cannot set it.",
                hint=f"Take 'guest.sysctl.\"{key}\"' out of the recipe.",
            )
        yield f"{key} = {value}"
    nr_open = settings.get("fs.nr_open")
    if nr_open is not None and nofile > int(nr_open):
        raise RecipeError(
            f"'guest.limits.nofile' is {nofile}, above 'fs.nr_open' ({nr_open}): nobody could log in.",
            hint="Raise 'fs.nr_open' in 'guest.sysctl', or leave it out.",
        )
