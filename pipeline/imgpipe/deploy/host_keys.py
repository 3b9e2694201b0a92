"""Which SSH host keys are a machine's: those whose fingerprints its guest told over virtio-serial, and no others.

Whoever answers at an address may be anybody. What came over the machine's own port, through libvirt, is the guest's
word; so a key that a server answers with is known once its fingerprint is one that the guest has told.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imgpipe.deploy.existing import ExistingMachine, MachineRecord
from imgpipe.deploy.reachable import NOT_FROM_OUTSIDE, addresses_of, is_behind_nat
from imgpipe.own_files import own_folder, read_own, write_new
from imgpipe.store import Store, finished_file, lock

# What is no pattern, list or option to ssh; a machine may have been renamed to anything.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
Scan = Callable[[Iterable[str]], Mapping[str, Sequence[str]]]
Other = Callable[[str, ExistingMachine], str]
_LONGEST = 256 * 1024
# They would be more than a path in ssh's configuration, or in Ansible's templates, and nothing escapes them there.
_NO_PATH = frozenset("\"'\\${}\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeys:
    """What is known of a machine's host keys: the file that has them for ssh; else None, and `why` says it.

    `foreign` says that a server does answer, with keys that are not the machine's.
    """

    file: Path | None = None
    why: str = ""
    foreign: bool = False


def fingerprint(key: str) -> str:
    """Return the fingerprint of a public key as `ssh-keygen -l` prints it; empty for what is no key."""
    try:
        blob = base64.b64decode(key.split(" ")[1], validate=True)
    except (IndexError, binascii.Error):
        return ""
    return f"SHA256:{base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip('=')}"


def told_fingerprints(record: MachineRecord | None) -> tuple[str, ...]:
    """Return the fingerprints that a machine's guest last told; none where it has not."""
    if record is None:
        return ()
    return record.host_keys or (record.proven.host_keys if record.proven else ())


def known_host_keys(
    machines: Iterable[ExistingMachine], store: Store, scan: Scan, other: Other = lambda *_: ""
) -> dict[str, HostKeys]:
    """Return by name what is known of the host keys of machines, and keep it in the data root for ssh.

    Servers are asked, all at once, only for what is not there yet; nothing that they say is taken for known unless
    the guest has told the same, and nobody else: `other` says who, by fingerprint. Whoever was known before another
    guest told his keys stays so. Raises HostError where they cannot be asked, or the data root cannot be written.
    """
    found: dict[str, HostKeys] = {}
    asked: list[tuple[ExistingMachine, str]] = []
    for machine in machines:
        file = _file(store, machine)
        if why := _unasked(machine, file):
            found[machine.name] = HostKeys(why=why)
        elif _text(machine, _kept(file, machine)) == _read(file) != "":
            found[machine.name] = HostKeys(file=file)
        elif not machine.active:
            found[machine.name] = HostKeys(why="it is off, and was not asked for them yet")
        elif addresses := addresses_of(machine):
            asked.append((machine, str(addresses[0])))
        else:
            found[machine.name] = HostKeys(why="no address is known at which it could be asked for them")
    answers = scan(address for _, address in asked)
    return found | {
        machine.name: _checked(machine, address, answers.get(address, ()), store, other) for machine, address in asked
    }


def alias_of(machine: ExistingMachine) -> str:
    """Return what ssh shall know a machine's host keys by: its name, or its UUID where that means more to ssh."""
    return machine.name if _PLAIN.fullmatch(machine.name) else machine.uuid


def forget_host_keys(machine: ExistingMachine, store: Store) -> None:
    """Delete what is kept of a machine's host keys; what cannot be deleted is trusted no more for that."""
    with suppress(OSError):
        _file(store, machine).unlink()


def ssh_path(path: Path) -> str:
    """Return a path as the value of an option of ssh that takes paths and tokens (ssh_config(5))."""
    text = str(path).replace("%", "%%")
    return f'"{text}"' if any(character.isspace() for character in text) else text


def _unasked(machine: ExistingMachine, file: Path) -> str:
    if is_behind_nat(machine):
        return NOT_FROM_OUTSIDE
    if not told_fingerprints(machine.record):
        return "its guest has not told which it has"
    if _NO_PATH & set(str(file)):
        return f"the name of the file for them, '{file}', means something to ssh"
    return ""


def _checked(machine: ExistingMachine, address: str, keys: Sequence[str], store: Store, other: Other) -> HostKeys:
    if not keys:
        return HostKeys(why=f"no SSH server answers at {address}")
    own = tuple(key for key in keys if fingerprint(key) in told_fingerprints(machine.record))
    if not own:
        return HostKeys(why=f"what answers at {address} has others than its guest told", foreign=True)
    if owner := next(filter(None, (other(fingerprint(key), machine) for key in own)), ""):
        return HostKeys(why=f"what answers at {address} has keys that {owner} has too", foreign=True)
    file = _file(store, machine)
    own_folder(store.root, "ssh", 0o755)
    with lock(store.lock_file("ssh")), finished_file(file) as partial:
        # Public keys, and Ansible may run as somebody else than imgpipe.
        write_new(partial, _text(machine, own), 0o644)
    return HostKeys(file=file)


def _file(store: Store, machine: ExistingMachine) -> Path:
    return store.root / "ssh" / f"known_hosts-{machine.uuid}"


def _kept(file: Path, machine: ExistingMachine) -> tuple[str, ...]:
    """Return the keys in a file that are the machine's still: it may have been made anew meanwhile."""
    told = told_fingerprints(machine.record)
    keys = (line.partition(" ")[2] for line in _read(file).splitlines())
    return tuple(key for key in keys if fingerprint(key) in told)


def _read(file: Path) -> str:
    try:
        return read_own(file, _LONGEST).decode("ascii")
    except (OSError, UnicodeDecodeError):
        # It only saves a question: it is asked again then.
        return ""


def _text(machine: ExistingMachine, keys: Iterable[str]) -> str:
    """Return lines of known_hosts (sshd(8)) by which ssh knows the machine."""
    return "".join(f"{alias_of(machine)} {key}\n" for key in keys)
