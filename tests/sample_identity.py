"""An identity with something of everything, and its parts."""

from ipaddress import IPv4Address, IPv4Interface

from imgpipe.deploy.wanted import Identity, WantedFile, WantedNic, WantedUser

STATIC = WantedNic(
    kind="bridge",
    source="br1",
    mac="52:54:00:aa:00:01",
    address=IPv4Interface("10.100.1.10/24"),
    gateway=IPv4Address("10.100.1.1"),
    dns=(IPv4Address("10.100.1.2"), IPv4Address("10.100.1.3")),
)
DYNAMIC = WantedNic(kind="user", mac="52:54:00:aa:00:02")
HASH = "$6$saltsalt$" + "x" * 86
ROOT_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIroot root@host"
USER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIuser ops@host"
SECRET = "not for everybody"

PUBLIC = Identity(
    hostname="web-01.example.org",
    nics=(STATIC, DYNAMIC),
    keys=(ROOT_KEY,),
    users=(WantedUser(name="ops", comment="On call", groups=("wheel", "nobody-has-it"), keys=(USER_KEY,)),),
    files=(WantedFile(path="/etc/app/name's.conf", text="a = $HOME `id` 'b'\n\n", mode=0o640, owner="root:ops"),),
)
FULL = Identity(
    hostname=PUBLIC.hostname,
    nics=PUBLIC.nics,
    keys=PUBLIC.keys,
    password_hash=HASH,
    users=(WantedUser(name="ops", comment="On call", groups=("wheel",), keys=(USER_KEY,), password_hash=HASH + "y"),),
    files=(*PUBLIC.files, WantedFile(path="/etc/app/token", text=SECRET, mode=0o600, secret=True)),
)
