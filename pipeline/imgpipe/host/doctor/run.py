"""Running checks beside each other, and stopping at what they found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from imgpipe.errors import HostError, ImgpipeError
from imgpipe.host.doctor.finding import Check, Finding, failures, of_error

_AT_ONCE = 16


def run(checks: Sequence[Check]) -> tuple[Finding, ...]:
    """Run all checks at once; return what they found in the checks' own order."""
    if not checks:
        return ()
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(checks))) as pool:
        return tuple(finding for found in pool.map(_findings, checks) for finding in found)


def require(findings: Iterable[Finding], doing: str) -> None:
    """Raise HostError with everything that would stop what is to be done (`doing`, a noun)."""
    if wrong := failures(findings):
        commands = [command for finding in wrong for command in finding.commands]
        raise HostError(
            f"This host is not ready for {doing}; nothing was touched.",
            hint="; then ".join(f"'{command}'" for command in dict.fromkeys(commands)) or "'imgpipe doctor' says more.",
            details=(f"{finding.name}: {finding.meaning}" for finding in wrong),
        )


def _findings(check: Check) -> tuple[Finding, ...]:
    try:
        return tuple(check.find())
    except ImgpipeError as error:
        return (of_error(check.name, "unknown", error),)
    except OSError as error:
        text = f"It cannot be looked at: {error.strerror or error} ({error.filename})."
        return (Finding(name=check.name, state="unknown", meaning=text),)
