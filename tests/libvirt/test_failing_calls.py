"""A volume that libvirt fails to write is not left behind: with each single call of the making failing once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt
import pytest

import private_libvirt
from deploy_site import SIZE, Site, machines, remote_site
from imgpipe.adapters.pool import Base, Pool
from imgpipe.deploy.wanted import WantedFile
from imgpipe.errors import HostError
from imgpipe.sizes import MIB

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]
CALLS = {
    libvirt.virConnect: ("newStream",),
    libvirt.virStoragePool: ("createXML", "createXMLFrom"),
    libvirt.virStorageVol: ("info", "resize", "upload"),
    libvirt.virStream: ("send", "finish"),
}
SECRET = (WantedFile(path="/etc/token", text="hush", secret=True),)


class Failing:
    """Counts the calls above; the one of the number `at` fails, and no other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.at = 0, 0
        for kind, names in CALLS.items():
            for name in names:
                monkeypatch.setattr(kind, name, self._failing(getattr(kind, name)))

    def _failing(self, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            self.count += 1
            if self.count == self.at:
                raise libvirt.libvirtError("once")
            return call(*arguments)

        return called


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("failing")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)
    with remote_site(folder) as made:
        yield made


def seed(pool: Pool, _base: Base) -> None:
    pool.write_small("web-01-seed.iso", b"hush" * 1000, mark="0123456789abcdef")


def copy(pool: Pool, base: Base) -> None:
    pool.copy("web-01.qcow2", base, SIZE + 64 * MIB)


@pytest.mark.parametrize("make", [seed, copy])
def test_what_cannot_be_written_is_gone(make: Callable[[Pool, Base], None], site: Site, monkeypatch) -> None:
    pool = site.workshop().pool
    base = pool.base(site.template.disk, "base.qcow2", site.template.sha256)
    before = pool.names()
    failing = Failing(monkeypatch)
    make(pool, base)
    (made,) = pool.names() - before
    pool.delete(made)
    for number in range(1, failing.count + 1):
        failing.count, failing.at = 0, number
        with pytest.raises(HostError):
            make(pool, base)
        assert pool.names() == before, f"call {number}"


def test_a_deploy_whose_seed_fails_can_be_run_again(site: Site, monkeypatch) -> None:
    wanted = machines(1, site.template, start=False, identity_files=SECRET)
    failing = Failing(monkeypatch)
    # What is copied to the pool first stays there, so that later runs make fewer calls: until none fails any more.
    for number in range(1, 1000):
        failing.count, failing.at = 0, number
        try:
            site.deploy(wanted)
        except HostError:
            assert site.existing() == ()
            assert not [name for name in site.workshop().pool.names() if name.startswith("web-")], f"call {number}"
        else:
            break
    assert number > 5
    assert failing.count < number
    assert [machine.name for machine in site.existing()] == ["web-001"]
    site.remove_all()
