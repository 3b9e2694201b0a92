"""Machines and a pool at the adapters' seam: they remember, and fail where a test tells them to."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

from imgpipe.adapters.pool import Base
from imgpipe.deploy import metadata
from imgpipe.deploy.definition_files import disk_of, named_files
from imgpipe.deploy.existing import ExistingMachine
from imgpipe.deploy.ownership import believed
from imgpipe.errors import HostError
from imgpipe.images.disk_uses import DiskUses


class Fakes:
    """What both share: each call in `calls`; a call in `failing` fails, one in `raising` raises what stands there."""

    def __init__(self):
        self.calls = []
        self.failing = set()
        self.raising = {}
        self.lock = threading.Lock()

    def note(self, *call):
        with self.lock:
            self.calls.append(call)
        if call in self.failing:
            raise HostError(f"no {' '.join(map(str, call))}")
        if call in self.raising:
            raise self.raising[call]


class FakeMachines:
    def __init__(self, fakes):
        self.fakes = fakes
        self.known = {}
        self.running = set()
        self.ports = {}
        self.consoles = {}
        self.stubborn = set()
        self.uses = []
        self.unknown = []
        self.elsewhere = ()
        self.snapshots = {}

    def names(self):
        return frozenset(self.known)

    def active(self):
        return frozenset(self.running)

    def list(self, *, sizes=True):
        return believed(self._one(name) for name in sorted(self.known))

    def find(self, name):
        return next(one for one in self.list() if one.name == name)

    def named_files(self):
        self.fakes.note("named files")
        return tuple(named_files(xml) for xml in self.known.values())

    def snapshot_files(self, name):
        return frozenset(self.snapshots.get(name, ()))

    def _one(self, name):
        domain = ET.fromstring(self.known[name])
        return ExistingMachine(
            name=name,
            uuid=domain.findtext("uuid"),
            active=name in self.running,
            autostart=False,
            cpus=int(domain.findtext("vcpu")),
            memory=int(domain.findtext("memory")) * 2**20,
            nics=(),
            disk=disk_of(domain),
            record=metadata.of_element(domain),
        )

    def disk_uses(self):
        return DiskUses(uri="fake:///", local=False, uses=tuple(self.uses), unknown=tuple(self.unknown))

    def disk_uses_elsewhere(self):
        return self.elsewhere

    def xml(self, name):
        return self.known[name]

    def define(self, xml):
        name = ET.fromstring(xml).findtext("name")
        self.fakes.note("define", name)
        self.known[name] = xml

    def start(self, name, *, paused=False, ended_with_us=False):
        self.fakes.note("start", name)
        self.running.add(name)

    def stop(self, name, seconds):
        self.fakes.note("stop", name)
        if name in self.stubborn:
            return False
        self.running.discard(name)
        return True

    def force_stop(self, name):
        self.fakes.note("end", name)
        self.running.discard(name)

    def is_there(self, path):
        return False

    def remove(self, name, *, keep_nvram, keep_tpm):
        self.kept_nvram = keep_nvram
        self.fakes.note("remove", name)
        self.running.discard(name)
        self.known.pop(name, None)

    def set_autostart(self, name, wanted):
        self.fakes.note("autostart", name, wanted)

    def set_record(self, name, record):
        self.fakes.note("record", name, record.complete)
        domain = ET.fromstring(self.known[name])
        place = domain.find("metadata")
        place.remove(place.find(f"{{{metadata.NAMESPACE}}}machine"))
        place.append(ET.fromstring(metadata.to_xml(record)))
        self.known[name] = ET.tostring(domain, encoding="unicode")

    def grow_disk(self, name, target, size):
        self.fakes.note("grow running", name, target)

    def open_port(self, name, port):
        self.fakes.note("port", name)
        return self.ports[name]

    def open_console(self, name):
        return self.consoles.get(name)


class FakePool:
    name = "imgpipe"
    path = Path("/pool")

    def __init__(self, fakes, *, local=True):
        self.fakes = fakes
        self.local = local
        self.volumes = {}
        self.backings = {}
        self.marks = {}
        self.machines = None
        self.lost = set()

    def names(self):
        return frozenset(self.volumes)

    def file(self, name):
        return self.path / name

    def base(self, source, volume, sha256, moved=None, foreign=None):
        self.fakes.note("base", volume)
        if not self.local:
            self.volumes[volume] = "base"
        return Base(path=source, format="qcow2", virtual_size=1)

    def overlay(self, name, base, size, mark=""):
        self.fakes.note("overlay", name)
        if name in self.volumes:
            raise HostError(f"'{name}' is there already")
        self.volumes[name] = "overlay"
        self.marks[name] = mark

    def copy(self, name, base, size, moved=None, mark=""):
        self.fakes.note("copy", name)
        self.volumes[name] = "copy"
        self.marks[name] = mark

    def backing(self, name):
        return self.backings.get(name)

    def write_small(self, name, data, mark=""):
        self.fakes.note("write", name)
        if mark and name in self.volumes:
            raise HostError(f"'{name}' is there already")
        self.volumes[name] = data
        self.marks[name] = mark

    def proof(self, name):
        return f"{name} is {self.volumes[name]!r}" if name in self.volumes else ""

    def is_own(self, name, mark, proof):
        return (self.local and bool(mark) and self.marks.get(name) == mark) or (
            bool(proof) and self.proof(name) == proof
        )

    def hidden(self, name, mark):
        return ()

    def unmark(self, mark, *names):
        for name in names:
            self.marks.pop(name, None)

    def grow(self, name, size):
        self.fakes.note("grow", name, size)

    def delete(self, *names):
        for name in names:
            if self.machines:
                used = {name for one in self.machines.running for name in [self.machines.find(one).disk]}
                assert str(self.path / name) not in used, f"{name} is deleted under a running machine"
            self.volumes.pop(name, None)
            self.marks.pop(name, None)

    def require_unused(self, *names):
        if lost := self.lost.intersection(names):
            raise HostError(f"{sorted(lost)} in use")

    def refresh(self):
        self.fakes.note("refresh")


class FakeStream:
    """Gives one piece of what a guest says at each read."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.ended = False
        self.closed = False

    def read(self):
        return self.pieces.pop(0) if self.pieces else b""

    def close(self):
        self.closed = True


def incomplete(machines, name, pool):
    """Make a machine what a killed run left."""
    record = machines.find(name).record
    machines.set_record(name, replace(record, complete=False))
    pool.marks[record.disk] = record.mark
