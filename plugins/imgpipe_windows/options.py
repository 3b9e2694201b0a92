"""Settings that Windows alone has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from imgpipe.model_faults import spelled
from imgpipe.recipe import Line, Table

LanguageTag = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}$"),
    spelled("must be a language, such as 'zh-CN'"),
]
ComputerName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?$"),
    spelled("must be a computer name: letters, digits and '-', at most 15, and a letter first"),
]


class WindowsOptions(Table):
    """Settings of Windows alone.

    The administrator's password is `guest.root.password` (or IMGPIPE_ROOT_PASSWORD), the product key
    `install.product_key`, the virtio-win ISO `[media.virtio]`.
    """

    edition: Line | None = Field(
        default=None, description="The image's NAME on the medium; absent: Standard with a desktop, or Pro."
    )
    image_index: Annotated[int, Field(ge=1, le=999)] | None = Field(
        default=None, description="The image's number instead of its name, where names are not telling."
    )
    key: Literal["volume", "none"] = Field(
        default="volume",
        description="Without install.product_key: Microsoft's public setup key for volume media, or no key at all "
        "(evaluation and retail media).",
    )
    language: LanguageTag | None = Field(
        default=None, description="The language of Windows, which the medium must hold; absent: from guest.locale."
    )
    input_locale: Line | None = Field(
        default=None, description="Keyboard, such as '0409:00000409' or 'de-DE'; absent: the language's own."
    )
    computer_name: ComputerName | None = Field(
        default=None, description="The template's own; absent: one that Windows makes up. Clones get theirs at deploy."
    )
    clones: Literal["panther", "cd"] = Field(
        default="panther",
        description="Where clones find their answer file: written into the folder Panther of their disks, or on a CD "
        "of their own, so that deploying starts no appliance.",
    )
    organization: Line = "imgpipe"
    remote_desktop: bool = True
    network_level_authentication: bool = True
    tpm: bool | None = Field(default=None, description="Absent: where the system asks for one.")
    secure_boot: bool | None = Field(default=None, description="Absent: where the system asks for it (UEFI alone).")
    server_manager: bool = Field(default=False, description="Open the Server Manager at each logon.")
    unsigned_drivers_reason: Line | None = Field(
        default=None,
        description="Why a virtio-win release is taken whose drivers for this system are signed for tests only.",
    )
