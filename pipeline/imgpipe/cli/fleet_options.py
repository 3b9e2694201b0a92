"""From the options of `imgpipe deploy` to what a fleet is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from shlex import quote
from typing import TYPE_CHECKING

from imgpipe.cli.virt_words import refuse_values_of_virt_install
from imgpipe.errors import RecipeError
from imgpipe.home import in_home

if TYPE_CHECKING:
    from imgpipe.cli.deploy_options import DeployOptions
    from imgpipe.deploy.fleet_files import Flags
    from imgpipe.source_nics import SourceNic

_SHAPES = (
    "name", "count", "first", "vcpus", "memory", "disk", "bridge", "network", "addresses", "gateway", "dns", "domain",
    "key_file", "root_password", "linked", "autostart", "start", "cache", "cache_reason", "fleet", "fleet_id",
    "import_disk", "write_fleet",
)  # fmt: skip


def names_nics(options: DeployOptions) -> bool:
    """Say whether the options name what machines' NICs are plugged into."""
    return bool(options.bridge or options.network)


def asked_for(options: DeployOptions, plugs: Callable[[str], Sequence[SourceNic]]) -> Flags:
    """Return what the options say of the machines; raises RecipeError where template or name are missing.

    `plugs` says what the NICs of a template's machines are plugged into where the options give addresses alone.
    """
    from imgpipe.deploy.fleet_files import Flags

    refuse_values_of_virt_install(options.disk, options.network)
    template = _template(options)
    if not options.name:
        raise RecipeError("The machines have no name.", hint=f"Such as 'imgpipe deploy {quote(template)} --name web'.")
    return Flags(
        template=template,
        name=options.name,
        count=options.count,
        first=options.first,
        fleet=options.fleet,
        fleet_id=options.fleet_id,
        pool=options.pool,
        cpus=options.vcpus,
        memory=options.memory,
        disk=options.disk,
        bridges=tuple(options.bridge or ()),
        networks=tuple(options.network or ()),
        plugs=tuple(plugs(template)) if options.addresses and not names_nics(options) else (),
        addresses=tuple(options.addresses or ()),
        gateway=options.gateway,
        dns=tuple(options.dns or ()),
        domain=options.domain,
        key_files=tuple(options.key_file or ()),
        root_password=options.root_password,
        linked=options.linked,
        autostart=options.autostart,
        start=options.start,
        cache=options.cache,
        cache_reason=options.cache_reason,
    )


def _template(options: DeployOptions) -> str:
    template = str(in_home(options.import_disk).absolute()) if options.import_disk else options.what
    if not template:
        raise RecipeError("A deploy takes a template or a fleet's file.", hint="'imgpipe images list' shows images.")
    return template


def refuse_fleet_options(options: DeployOptions) -> None:
    """Raise RecipeError for options that a fleet's file says itself: two sources would leave one in doubt."""
    defaults = {field.name: field.default for field in dataclasses.fields(options)}
    given = [_written(options, name) for name in _SHAPES if getattr(options, name) != defaults[name]]
    if given:
        raise RecipeError(
            "What the machines are is in the fleet's file; options cannot change it.",
            hint="Change the file.",
            details=given,
        )


def _written(options: DeployOptions, name: str) -> str:
    """Return an option as it was written: '--no-start' and '--full' are what other options' names stand for."""
    if name == "linked":
        return "--linked" if options.linked else "--full"
    if name == "import_disk":
        return "--import"
    return f"--{'no-' if name == 'start' else ''}{name.replace('_', '-')}"
