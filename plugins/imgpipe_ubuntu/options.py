"""Settings that Ubuntu alone has."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imgpipe.recipe import Table


class UbuntuOptions(Table):
    """Settings of Ubuntu alone."""

    source: Literal["ubuntu-server", "ubuntu-server-minimal"] = Field(
        default="ubuntu-server", description="Which of the medium's two systems to install."
    )
