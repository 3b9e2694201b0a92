"""The settings of a recipe that only the kickstart family has: its table [options]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from imgpipe.recipe import HostName, PackageName, Table


class ElOptions(Table):
    """What is particular about installing by kickstart."""

    environment: PackageName | None = Field(
        default=None, description="The environment group to install, without '@^'; absent: the smallest one."
    )
    weak_dependencies: bool = Field(
        default=True, description="Install what packages recommend; without them the image is smaller."
    )
    portable_xfs: bool = Field(
        default=True, description="Make XFS that hosts with kernels before 5.19 can still mount for sysprep."
    )
    kdump: bool = Field(default=False, description="Reserve memory for crash dumps.")
    ntp_servers: Annotated[tuple[HostName, ...], Field(max_length=8)] = Field(
        default=(), description="NTP servers for chrony; absent: the distribution's own pool."
    )
