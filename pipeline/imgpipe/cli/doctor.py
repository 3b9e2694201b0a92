"""`imgpipe doctor`: what on this host can stop a build or a deploy, and what mends it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from imgpipe.cli import context, output
from imgpipe.cli.completion import complete_recipe
from imgpipe.cli.option_table import with_options
from imgpipe.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imgpipe.host.doctor.finding import Finding, State

_FAILED = 3
_LONGEST_REPAIR_SECONDS = 3600
_WORDS: dict[State, str] = {"ok": "ok", "warn": "warning", "fail": "FAILED", "unknown": "unknown"}
_FOR_ROOT = ("systemctl", "semanage", "restorecon")
_OURSELVES = (sys.executable, "-c", "from imgpipe.cli.main import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What `imgpipe doctor` was given."""

    recipe: Annotated[
        str | None,
        typer.Argument(help="Also judge what this recipe needs.", autocompletion=complete_recipe, show_default=False),
    ] = None
    media: Annotated[
        list[str] | None, typer.Option(help="The recipe's ISOs, as builds take them.", show_default=False)
    ] = None
    deep: Annotated[bool, typer.Option("--deep", help="Boot a machine and libguestfs' appliance to see.")] = False
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely; it is shown first.")] = False
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before '--fix' mends.")] = False
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="[FILE]",
            help="Write all that is known of this host, without secrets, to FILE, which ends with '.tar.gz'.",
            show_default=False,
        ),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False


class Words(TyperCommand):
    """Reads the command's words; '--bundle' may stand without its value, which typer does not know."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 (typer has its own copy of click)
        """Give '--bundle' an empty value where what follows is no name of a bundle, a recipe's for instance."""
        from imgpipe.host.bundle.archive import ENDING

        read = list(args)
        for place, word in enumerate(args):
            name = "".join(args[place + 1 : place + 2])
            # A path that is no recipe's is meant for the bundle, which says how it must end.
            named = name.endswith(ENDING) or ("/" in name and not name.endswith(".toml"))
            if word == "--bundle" and (name.startswith("-") or not named):
                read[place] = "--bundle="
        return super().parse_args(ctx, read)


def _doctor(options: DoctorOptions) -> None:
    """Look at everything on this host that can stop a build or a deploy; say what mends it.

    Nothing is changed without '--fix', and nothing is started without '--deep'. Warnings do not fail: the exit code
    is 3 where something would stop a build or a deploy. With '--bundle' it is 0 once the file is written, which is for
    those who are to help and cannot see this host.

    Examples:

      imgpipe doctor

      imgpipe doctor rocky10-4c8g40g --deep

      imgpipe doctor --fix

      imgpipe doctor --bundle
    """
    from imgpipe.host.doctor.finding import failures

    start = time.monotonic()
    if options.bundle is not None:
        from imgpipe.cli.doctor_bundle import write_bundle

        _require_recipe(options.recipe)
        if options.fix:
            raise RecipeError("A bundle shows the host as it is, and '--fix' changes it.", hint="Mend it first.")
        output.tell("Collecting what is known of this host.")
        write_bundle(options.bundle, lambda: told(look_for(options), time.monotonic() - start), options)
        return
    found = look_for(options)
    if options.fix and _mend(found, yes=options.yes):
        found = look_for(options)
    _show(found, time.monotonic() - start, as_json=options.as_json)
    if failures(found):
        raise typer.Exit(_FAILED)


doctor = with_options(_doctor, DoctorOptions)


def _require_recipe(name: str | None) -> None:
    """Refuse a word that is no recipe's: it stands behind '--bundle' as if it were the name of the bundle's file."""
    from imgpipe.host.bundle.archive import ENDING

    if name is None:
        return
    try:
        context.recipe_folders().load(name)
    except RecipeError as error:
        named = f"A bundle's file is named with its ending: '--bundle {shlex.quote(name)}{ENDING}'. "
        raise RecipeError(str(error), hint=f"{named}{error.hint}", details=error.details) from None


def look_for(options: DoctorOptions) -> tuple[Finding, ...]:
    """Run all checks that were asked for."""
    return _look(options.recipe, options.media or (), deep=options.deep)


def _look(recipe: str | None, media: Sequence[str], *, deep: bool) -> tuple[Finding, ...]:
    """Run all checks; what was launched comes first, because it decides how the rest is judged."""
    from imgpipe.cli.planned import media_request, plan_named
    from imgpipe.cli.readiness import this_host
    from imgpipe.host.doctor.checkup import file_checks, launch_checks, quick_checks, recipe_checks
    from imgpipe.host.doctor.run import run

    plan = plan_named(recipe) if recipe else None
    if deep:
        output.tell("Booting a kernel and libguestfs' appliance; without KVM that takes minutes.")
    launched = run(launch_checks(this_host())) if deep else ()
    host = this_host()
    asked = media_request(plan, media) if plan else None
    special = recipe_checks(host, plan, (asked.own, *asked.further)) if plan and asked else ()
    names = {check.name for check in special}
    usual = (*(() if deep else quick_checks(host)), *file_checks(host))
    return (*launched, *run((*(check for check in usual if check.name not in names), *special)))


def _mend(found: Iterable[Finding], *, yes: bool) -> bool:
    """Show what can be mended safely, ask, and do it; say whether anything was done. One that fails stops no other."""
    from imgpipe.adapters import process
    from imgpipe.errors import HostError

    repairs = tuple(dict.fromkeys(_as_root(repair) for finding in found for repair in finding.repairs))
    if not repairs:
        output.tell("Nothing here can be mended safely without you.")
        return False
    for repair in repairs:
        output.tell(f"to do: {shlex.join(repair)}")
    output.confirm("Do this now?", yes=yes)
    for repair in repairs:
        output.tell(f"doing: {shlex.join(repair)}")
        argv = (*_OURSELVES, *repair[1:]) if repair[0] == "imgpipe" else repair
        try:
            process.follow(*argv, heard=_hear, timeout_s=_LONGEST_REPAIR_SECONDS)
        except HostError as error:
            output.tell(f"error: {error} {' '.join(error.details[-1:])}")
    return True


def _as_root(repair: tuple[str, ...]) -> tuple[str, ...]:
    """Return a repair of the host's services as whoever runs imgpipe can do it."""
    return ("sudo", *repair) if repair[0] in _FOR_ROOT and os.geteuid() != 0 else repair


def _hear(text: str) -> None:
    output.pass_on(text)


def told(found: Iterable[Finding], seconds: float) -> dict[str, object]:
    """Return what was found as programs are told it; docs/host.md has its keys."""
    findings = [
        {
            "name": finding.name,
            "state": finding.state,
            "meaning": finding.meaning,
            "commands": list(finding.commands),
            "fixable": bool(finding.repairs),
        }
        for finding in found
    ]
    ready = all(finding["state"] != "fail" for finding in findings)
    return {"ready": ready, "seconds": round(seconds, 2), "findings": findings}


def _show(found: tuple[Finding, ...], seconds: float, *, as_json: bool) -> None:
    if as_json:
        output.show_json(told(found, seconds))
        return
    counts = Counter(finding.state for finding in found)
    width = max(len(finding.name) for finding in found)
    for finding in found:
        output.show_line(f"{_WORDS[finding.state]:<8} {finding.name:<{width}}  {finding.meaning}")
        for command in finding.commands if finding.state != "ok" else ():
            output.show_line(f"{'':<8} {'':<{width}}    $ {command}")
    summed = ", ".join(f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state])
    output.tell(f"{summed}, in {seconds:.1f} s.")
