"""A recipe: what one golden image shall be, parsed once into strict, frozen types.

Every string that may end up in an answer file is a pattern without line breaks or control characters, so a
recipe cannot write directives. Secrets are never in a recipe: it names the file or the environment variable
that holds them. The JSON Schema of these types is what `imgpipe recipes schema` prints.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from imgpipe.environment import keep_from_children
from imgpipe.model_faults import spelled
from imgpipe.schema_rules import SIZE_OR_NONE, exactly_one, needs, not_both, one_at_least, together
from imgpipe.sizes import GIB, Bytes, Size
from imgpipe.usable_addresses import UsableAddress, UsableInterface, check_gateway

Line = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$", max_length=1024),
    spelled("must be one line of printable text, at most 1024 characters"),
]
"""One line of printable text."""
Word = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00-\x20\x7f-\xa0\u2028\u2029\x22'\\]+$", max_length=255),
    spelled("must be printable text without blanks, quotes and backslashes"),
]
"""Printable text without blanks, quotes and backslashes."""
Identifier = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64),
    spelled("begins with a letter or digit, and has letters, digits, '.', '_' and '-', at most 64"),
]
UserName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"),
    spelled("must be a user's name: lower-case letters, digits, '_' and '-', at most 32, and no digit first"),
]
"""As useradd(8) accepts it everywhere."""
PackageName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9@^*][A-Za-z0-9@^*+._:-]*$", max_length=128),
    spelled("must be a package's name, or a group's with '@' first"),
]
UnitName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9:_.@-]+$", max_length=128),
    spelled("must be a unit's name, such as 'chronyd'"),
]
InterfaceName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,14}$"),
    spelled("must be a network interface's name, such as 'br1': at most 15 letters, digits, '.', '_' and '-'"),
]
"""At most 15 characters (IFNAMSIZ of the kernel)."""
Mac = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", to_lower=True),
    spelled("must be a MAC address, such as '52:54:00:12:34:56'"),
]
HostName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"),
    spelled("must be a host name: lower-case letters, digits and '-', with '.' between its parts, no '_'"),
]
SysctlKey = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_]+([./][A-Za-z0-9_*-]+)+$"),
    spelled("must be a kernel setting's name, such as 'vm.swappiness'"),
]
SshKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^(ssh-[a-z0-9]+|ecdsa-[a-z0-9-]+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/=]+"
        r"( [^\x00-\x1f\x7f-\x9f\u2028\u2029\x22'\\]*)?$"
    ),
    spelled("must be one line of a public key, such as 'ssh-ed25519 AAAA... ann'"),
]
"""One line of authorized_keys (sshd(8)) without options."""
Sha256 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$", to_lower=True),
    spelled("must be a SHA-256: 64 hexadecimal digits"),
]
Url = Annotated[
    str,
    StringConstraints(pattern=r"^(https?|file)://[^\x00-\x20\x7f-\xa0\x22<>\\^`{|}]+$"),
    spelled("must be a URL that begins with https://, http:// or file://"),
]
"""A URL without what RFC 3986 has no place for: a quote, say in a password, would end it in the eyes of others."""


class Table(BaseModel):
    """A table of a TOML file: unknown keys are faults, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, str_strip_whitespace=False)


class Machine(Table):
    """The virtual machine that the system is installed in, and that clones start from."""

    cpus: Annotated[int, Field(ge=1, le=512)] = 2
    memory: Bytes = 2 * GIB
    disk: Bytes = 15 * GIB
    firmware: Literal["bios", "uefi"] = "bios"
    cache: Literal["none", "writeback", "writethrough", "directsync", "unsafe"] | None = Field(
        default=None, description="Instead of the policy of the operating system; cache_reason says why."
    )
    cache_reason: Line | None = None


class MediumSource(Table):
    """Where the installation medium comes from: one of `file` and `url`; neither takes the system's own names."""

    model_config = ConfigDict(
        json_schema_extra=together(
            not_both("file", "url"), needs("url", "sha256", "checksums"), needs("keyring", "checksums")
        )
    )

    file: Line | None = Field(
        default=None, description="A path, or a name (wildcards allowed) that is looked up in the media folders."
    )
    url: Url | None = None
    sha256: Sha256 | None = None
    checksums: Line | None = Field(default=None, description="Path or URL of a CHECKSUM file, in GNU or BSD form.")
    keyring: Line | None = Field(default=None, description="GPG keyring that must have signed the CHECKSUM file.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.file and self.url:
            raise ValueError("takes 'file' or 'url', not both")
        if self.url and not (self.sha256 or self.checksums):
            raise ValueError("a url needs 'sha256' or 'checksums', so that what arrives can be verified")
        if self.keyring and not self.checksums:
            raise ValueError("'keyring' checks the signature of 'checksums', which is missing")
        return self


class Nic(Table):
    """One network interface, by name or by MAC address; DHCP unless it has an address."""

    model_config = ConfigDict(json_schema_extra=together(one_at_least("name", "mac"), needs("gateway", "address")))

    name: InterfaceName | None = None
    mac: Mac | None = None
    address: UsableInterface | None = Field(default=None, description="Static: '192.168.126.100/24'; absent: DHCP.")
    gateway: UsableAddress | None = None
    dns: tuple[UsableAddress, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if not (self.name or self.mac):
            raise ValueError("needs 'name' or 'mac'")
        if self.address is None and self.gateway:
            raise ValueError("a gateway needs an address; with DHCP it comes from the server")
        if self.address and self.gateway:
            check_gateway(self.gateway, self.address)
        return self


class Disk(Table):
    """How the disk is laid out. `plain` has / as its last partition, so that it can grow."""

    layout: Literal["plain", "lvm"] = "plain"
    filesystem: Literal["xfs", "ext4"] | None = Field(default=None, description="Absent: the system's own custom.")
    boot: Bytes = GIB
    swap: Annotated[int, Size, Field(ge=0), WithJsonSchema(SIZE_OR_NONE)] = 2 * GIB
    volume_group: Identifier = "vg0"


class Packages(Table):
    """Packages beyond the system's minimal set; `remove` names what the set brings and is not wanted."""

    add: tuple[PackageName, ...] = ()
    remove: tuple[PackageName, ...] = ()


class Services(Table):
    """Units that start at boot, or do not."""

    enable: tuple[UnitName, ...] = ()
    disable: tuple[UnitName, ...] = ()


class Limits(Table):
    """Resource limits of login sessions and services (limits.conf(5), systemd-system.conf(5))."""

    nofile: Annotated[int, Field(ge=1024, le=2**30)] | None = None
    nproc: Annotated[int, Field(ge=64, le=2**22)] | None = None


class SecretSource(Table):
    """Where a password is: a file (its first line) or an environment variable, as plain text or as crypt(5) hash."""

    model_config = ConfigDict(json_schema_extra=exactly_one("file", "env"))

    file: Line | None = None
    env: Identifier | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_secret(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError('is no place for a secret; say where it is: {env = "NAME"} or {file = "PATH"}')
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.file) == bool(self.env):
            raise ValueError("takes exactly one of 'file' and 'env'")
        if self.env:
            # From here on, and not only once it is read: programs may be started before that.
            keep_from_children(self.env)
        return self


class Root(Table):
    """The root account; without a password it is locked."""

    password: SecretSource | None = None
    keys: tuple[SshKey, ...] = ()


class User(Table):
    """A user to be made by the installer."""

    name: UserName
    comment: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029:\x22'\\]*$", max_length=128),
        spelled("must be text without ':', quotes and backslashes"),
    ] = ""
    groups: tuple[UserName, ...] = ()
    password: SecretSource | None = None
    keys: tuple[SshKey, ...] = ()


class Guest(Table):
    """What the installed system shall be like."""

    locale: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z]{1,8}(_[A-Z]{2})?(\.[A-Za-z0-9-]+)?(@[a-z]+)?$"),
        spelled("must be a locale, such as 'en_US.UTF-8'"),
    ] = "en_US.UTF-8"
    keyboard: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{1,31}$"),
        spelled("must be a keyboard layout, such as 'us'"),
    ] = Field(
        default="us",
        description="A console keymap ('uk', 'de-latin1') or an XKB layout ('gb', 'de-nodeadkeys'): each system "
        "is given its own name for it. Windows takes options.input_locale.",
    )
    timezone: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"),
        spelled("must be a time zone, such as 'Asia/Shanghai'"),
    ] = "UTC"
    hostname: HostName | None = Field(default=None, description="The template's own; clones get theirs at deploy.")
    classic_nic_names: bool = Field(default=True, description="eth0, eth1 (net.ifnames=0 biosdevname=0).")
    serial_console: bool = True
    kernel_arguments: tuple[Word, ...] = ()
    selinux: Literal["enforcing", "permissive", "off"] = "permissive"
    firewall: bool = False
    packages: Packages = Packages()
    services: Services = Services()
    sysctl: dict[SysctlKey, Line | int] = {}
    limits: Limits = Limits()
    sshd: dict[Identifier, Word] = {}
    root: Root = Root()
    users: tuple[User, ...] = ()


class Install(Table):
    """How the installation itself runs; nothing of this stays in the image."""

    answer_file: Line | None = Field(
        default=None, description="Your own kickstart, preseed or user-data, used as it is."
    )
    kernel_arguments: tuple[Word, ...] = Field(default=(), description="More arguments for the installer's kernel.")
    cache: Literal["unsafe", "policy"] = Field(
        default="unsafe", description="Cache mode of the install machine's disk, which is thrown away on failure."
    )
    network: Literal["auto", "isolated", "user"] = Field(
        default="auto", description="auto: isolated, but user networking where the installer fetches packages."
    )
    mirror: Url | None = Field(default=None, description="Package mirror for installers that need one.")
    proxy: Url | None = None
    product_key: SecretSource | None = Field(
        default=None, description="Where the product key is, for systems with one."
    )


class Sysprep(Table):
    """Named operations to run beside, or leave out of, the system's own; see `imgpipe sysprep --list`."""

    enable: tuple[Identifier, ...] = ()
    disable: tuple[Identifier, ...] = ()
    keep_keys: bool = Field(default=True, description="Keep the authorized keys that the recipe names.")


class Recipe(Table):
    """What one golden image shall be."""

    name: Identifier
    os: Identifier
    summary: Line = ""
    machine: Machine = Machine()
    medium: MediumSource = MediumSource()
    media: dict[Identifier, MediumSource] = Field(
        default={}, description="Further media that the installer needs, by name, such as 'virtio'."
    )
    disk: Disk = Disk()
    nics: Annotated[tuple[Nic, ...], Field(max_length=16)] = (Nic(name="eth0"),)
    guest: Guest = Guest()
    install: Install = Install()
    sysprep: Sysprep = Sysprep()
    options: dict[str, Any] = Field(default={}, description="Settings of the operating system's own plugin.")

    @model_validator(mode="after")
    def _nics_differ(self) -> Self:
        for kind in ("name", "mac", "address"):
            values = [value for nic in self.nics if (value := getattr(nic, kind)) is not None]
            if len(values) != len(set(values)):
                raise ValueError(f"two NICs have the same {kind}")
        return self
