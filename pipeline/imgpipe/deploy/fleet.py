"""A fleet: which machines shall be made from golden images, parsed once into strict, frozen types.

What stands in `defaults` holds for every group that does not say otherwise, key by key, those of `root` too; a list of
a group replaces that of the defaults. So does what stands in `machines` for one machine of a group. Secrets are never
in a fleet: it names the file or the environment variable that holds them. The JSON Schema of these types is what
`imgpipe deploy --schema` prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from imgpipe.deploy.addresses import AddressRange, RangeText, misuse, parse_range
from imgpipe.deploy.names import Label, NamePattern, default_pattern, is_label, numbered
from imgpipe.model_faults import spelled
from imgpipe.recipe import HostName, Identifier, InterfaceName, Line, Root, Table, User
from imgpipe.schema_rules import default_or_each, exactly_one, needs, not_both, together
from imgpipe.sizes import Bytes
from imgpipe.source_nics import MOST_NICS, SourceNic
from imgpipe.usable_addresses import Interface, UsableAddress, unusable_in

AnyTable = TypeVar("AnyTable", bound=Table)

MOST_MACHINES = 4096
"""Machines of one group: more is taken for a typing error."""
LONGEST_FILE = 2**20
"""Bytes of an extra file: whatever is larger belongs in the image."""

Reference = Annotated[
    str,
    StringConstraints(
        pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,63}(@[0-9]{8}\.[1-9][0-9]{0,8})?|(~|\.{1,2})?/[^\x00-\x1f\x7f-\x9f]+)$"
    ),
    spelled(
        "must be an image, NAME or NAME@VERSION ('imgpipe images list' shows all), or a disk's path with a '/' in it"
    ),
]
"""A golden image: `NAME` for its newest version, or `NAME@VERSION`; or the path of a disk, with a slash in it."""


def _no_dots(path: str) -> str:
    if {".", ".."} & set(path.split("/")):
        raise ValueError("must be a path without '.' and '..'")
    return path


GuestPath = Annotated[
    str,
    StringConstraints(pattern=r"^(/[^/\x00-\x1f\x7f-\x9f\u2028\u2029]+)+$", max_length=255),
    spelled("must be an absolute path, such as '/etc/shop/role'"),
    AfterValidator(_no_dots),
    Field(json_schema_extra={"not": {"type": "string", "pattern": r"/\.{1,2}(/|$)"}}),
]
"""An absolute path in the guest, without '.', '..' and empty parts."""
Owner = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}(:[a-z_][a-z0-9_-]{0,31})?$"),
    spelled("must be a user, or 'user:group'"),
]
Mode = Annotated[
    str, StringConstraints(pattern=r"^0?[0-7]{3}$"), spelled("must be permissions in octal, in quotes, such as '0644'")
]
"""Permissions in octal, as a string: '0600'."""
KeyFiles = Annotated[
    tuple[Line, ...], Field(description="Files of public keys, one a line; relative to the fleet's file.")
]


class GroupNic(Table):
    """One network interface of each machine of a group: where it is plugged in, and how the guest sets it up."""

    model_config = ConfigDict(
        json_schema_extra=together(
            exactly_one("bridge", "network", "user"),
            not_both("user", "addresses"),
            needs("gateway", "addresses", "fixed"),
        )
    )

    bridge: InterfaceName | None = Field(default=None, description="A bridge of the host, such as 'br1'.")
    network: Identifier | None = Field(default=None, description="A network of libvirt, such as 'default'.")
    user: Literal[True] | None = Field(
        default=None, description="QEMU's own NAT, which needs no rights; nothing reaches the machine from outside."
    )
    addresses: RangeText | None = None
    fixed: dict[Label, Interface] = Field(
        default={}, description="Addresses by machine name, instead of one from the range: {db1 = '10.100.1.5/24'}."
    )
    gateway: UsableAddress | None = None
    dns: tuple[UsableAddress, ...] = ()

    @classmethod
    def plugged(cls, nic: SourceNic) -> GroupNic:
        """Return a NIC that is plugged in like another, and asks by DHCP."""
        return cls.model_validate({nic.plug: nic.source or True})

    @property
    def kind(self) -> Literal["bridge", "network", "user"]:
        """Return what it is plugged into."""
        return "bridge" if self.bridge else "network" if self.network else "user"

    @property
    def source(self) -> str:
        """Return the name of the bridge or network; empty for QEMU's own."""
        return self.bridge or self.network or ""

    @property
    def told(self) -> str:
        """Return what it is plugged into, in words."""
        return SourceNic(plug=self.kind, source=self.source).told

    @property
    def range(self) -> AddressRange | None:
        """Return the parsed range; None for DHCP."""
        return parse_range(self.addresses) if self.addresses else None

    @property
    def servers(self) -> frozenset[IPv4Address]:
        """Return the addresses that are the gateway's and DNS servers'."""
        return frozenset(self.dns) | ({self.gateway} if self.gateway else frozenset())

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if sum(value is not None for value in (self.bridge, self.network, self.user)) != 1:
            raise ValueError("takes exactly one of 'bridge', 'network' and 'user'")
        if self.user and (self.range or self.fixed):
            raise ValueError("with 'user' the address comes from QEMU by DHCP")
        if self.gateway and not self._networks():
            raise ValueError("a gateway needs addresses; with DHCP it comes from the server")
        if self.dns and not self._networks():
            raise ValueError("DNS servers need addresses; with DHCP they come from the server")
        for network in self._networks():
            if self.gateway and self.gateway not in network:
                raise ValueError(f"the gateway {self.gateway} is not in the network {network}")
            if self.gateway and (fault := unusable_in(self.gateway, network)):
                raise ValueError(f"the gateway {self.gateway} {fault}")
        for name, interface in self.fixed.items():
            if wrong := misuse(interface, self.gateway, self.dns):
                raise ValueError(f"fixed.{name}: {interface.ip} {wrong}")
        return self

    def _networks(self) -> set[IPv4Network]:
        return {parsed.network for parsed in (self.range,) if parsed} | {one.network for one in self.fixed.values()}


class FleetRoot(Root):
    """What root gets; without a password that of the image stays as it is."""

    key_files: KeyFiles = ()


class FleetUser(User):
    """A user that each guest shall have; one that the image has already gets keys and password."""

    key_files: KeyFiles = ()


class File(Table):
    """A small file for each guest: its text, or the file of this host that has it."""

    model_config = ConfigDict(json_schema_extra=exactly_one("text", "source"))

    path: GuestPath
    text: Annotated[str, StringConstraints(max_length=LONGEST_FILE)] | None = Field(default=None, repr=False)
    source: Line | None = Field(default=None, description="A text file; relative to the fleet's file.")
    mode: Mode = "0644"
    owner: Owner = "root:root"
    secret: bool = Field(default=False, description="Keeps the text off the machine's definition.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.text is None) == (self.source is None):
            raise ValueError("takes exactly one of 'text' and 'source'")
        return self


class Shape(Table):
    """What machines are like: the defaults of a fleet, and the part of a group that they stand in for."""

    template: Reference | None = Field(
        default=None, description="A golden image: NAME, or NAME@VERSION; or the path of a disk, which is copied."
    )
    cpus: Annotated[int, Field(ge=1, le=512)] | None = None
    memory: Bytes | None = None
    disk: Bytes | None = Field(default=None, description="At least the template's; the guest's file system grows too.")
    nics: Annotated[tuple[GroupNic, ...], Field(max_length=MOST_NICS)] = (GroupNic(user=True),)
    domain: HostName | None = Field(default=None, description="What follows the machine's name in its host name.")
    root: FleetRoot = FleetRoot()
    users: tuple[FleetUser, ...] = ()
    files: tuple[File, ...] = ()
    linked: bool | None = Field(
        default=None, description="An overlay on the template, else a copy; absent: true, but false for a foreign disk."
    )
    autostart: bool = Field(default=False, description="Start with the host.")
    start: bool = Field(default=True, description="Start when it is deployed; false leaves it as it is.")
    cache: Literal["none", "writeback", "writethrough", "directsync", "unsafe"] | None = Field(
        default=None, description="Instead of the policy of the operating system; cache_reason says why."
    )
    cache_reason: Line | None = None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if sum(nic.gateway is not None for nic in self.nics) > 1:
            raise ValueError("two NICs have a gateway; a machine has one way out")
        for kind, values in (
            ("user", [user.name for user in self.users]),
            ("file", [file.path for file in self.files]),
        ):
            if len(values) != len(set(values)):
                raise ValueError(f"the same {kind} is there twice")
        if any(user.name == "root" for user in self.users):
            raise ValueError("root is no user here; it has a table of its own, 'root'")
        return self


class Group(Shape):
    """Machines that are alike: a number of them, or the ones that are named."""

    model_config = ConfigDict(
        json_schema_extra=together(exactly_one("count", "names"), needs("pattern", "count"), needs("first", "count"))
    )

    count: Annotated[int, Field(ge=0, le=MOST_MACHINES)] | None = None
    pattern: NamePattern | None = Field(
        default=None, description="Names of counted machines; absent: 'GROUP-{n:02}', so web-01, web-02."
    )
    first: Annotated[int, Field(ge=0, le=10**6)] = Field(default=1, description="The first machine's number.")
    names: Annotated[tuple[Label, ...], Field(min_length=1, max_length=MOST_MACHINES)] | None = None

    @model_validator(mode="after")
    def _counted_or_named(self) -> Self:
        if (self.count is None) == (self.names is None):
            raise ValueError("takes exactly one of 'count' and 'names'")
        if self.names is not None and (self.pattern or "first" in self.model_fields_set):
            raise ValueError("'pattern' and 'first' are for counted machines")
        return self

    @property
    def is_linked(self) -> bool:
        """Say whether disks are overlays; nobody keeps a foreign disk from changing, so that is copied unless asked."""
        return not is_disk(self.template or "") if self.linked is None else self.linked

    def machines(self, group: str) -> tuple[str, ...]:
        """Return the names of the machines, in order; `group` is the group's own name."""
        if self.names is not None:
            return self.names
        return numbered(self.pattern or default_pattern(group), self.first, self.count or 0)


def is_disk(reference: str) -> bool:
    """Say whether a template is a disk that imgpipe did not build."""
    return "/" in reference


def filled(table: AnyTable, defaults: Table) -> AnyTable:
    """Return a table with what it does not say itself taken from another."""
    missing = defaults.model_fields_set - table.model_fields_set
    return table.model_copy(update={key: getattr(defaults, key) for key in missing})


class Fleet(Table):
    """Groups of machines that are deployed, changed and removed together."""

    model_config = ConfigDict(json_schema_extra=default_or_each("defaults", "groups", "template"))

    name: Identifier = Field(description="Tells this fleet's machines from others'; it never changes.")
    id: Identifier | None = Field(
        default=None,
        description="Pins what new MAC addresses and UUIDs follow from beside the names, such as a UUID; absent: an id "
        "that the first deploy mints and the machines carry.",
    )
    pool: Identifier | None = Field(default=None, description="The storage pool of libvirt for the disks.")
    defaults: Shape = Shape()
    groups: Annotated[dict[Label, Group], Field(min_length=1)]
    machines: dict[Label, Shape] = Field(
        default={}, description="What one machine has instead of what its group says, by the machine's name."
    )

    @model_validator(mode="after")
    def _names_are_labels(self) -> Self:
        for group, shape in self.groups.items():
            for name in (shape.machines(group) or ("",))[-1:]:
                if name and not is_label(name):
                    raise ValueError(f"groups.{group}: '{name}' is no host name")
        return self

    def without_nics(self) -> tuple[str, ...]:
        """Return the groups for which neither they nor the defaults name any NIC."""
        if "nics" in self.defaults.model_fields_set:
            return ()
        return tuple(name for name, group in self.groups.items() if "nics" not in group.model_fields_set)

    def with_nics(self, nics: Mapping[str, Sequence[SourceNic]]) -> Fleet:
        """Return the fleet with these NICs for the groups that are named; they ask by DHCP."""
        groups = {
            name: group.model_copy(update={"nics": tuple(map(GroupNic.plugged, nics[name]))}) if name in nics else group
            for name, group in self.groups.items()
        }
        return self.model_copy(update={"groups": groups})

    def group(self, name: str) -> Group:
        """Return a group with the defaults filled in."""
        group = self.groups[name]
        whole = filled(group, self.defaults)
        return whole.model_copy(update={"root": filled(group.root, self.defaults.root)})

    def shapes(self) -> dict[str, Group]:
        """Return what machines are made by, with all filled in: groups, then machines with keys of their own.

        They are called as in `place_of`. A name in `machines` that no group has is left out: `faults` tells of it.
        """
        groups = {name: self.group(name) for name in self.groups}
        of_machines = {name: group for group, shape in groups.items() for name in shape.machines(group)}
        own = {
            place_of(name): _own(self.machines[name], name, groups[group])
            for name, group in of_machines.items()
            if name in self.machines
        }
        return groups | own


def place_of(machine: str) -> str:
    """Return what the part of a fleet is called that is one machine's own; no group is called so."""
    return f"machines.{machine}"


def _own(shape: Shape, name: str, group: Group) -> Group:
    """Return a group of one machine: its group's, with what it says itself."""
    own = {key: getattr(shape, key) for key in shape.model_fields_set}
    root = filled(shape.root, group.root)
    numbered_by = {"count": None, "pattern": None, "names": (name,)}
    return group.model_copy(update={**own, "root": root, **numbered_by})
