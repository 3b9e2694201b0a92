"""A leftover machine that libvirt cannot end because it lost its QEMU; and whose /dev/kvm is given away."""

from __future__ import annotations

import grp
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import libvirt
import pytest

from imgpipe.adapters import libvirt_daemon
from imgpipe.adapters.hypervisor import Hypervisor
from imgpipe.errors import HostError


class Refusal(libvirt.libvirtError):
    """What libvirt raises, with a code of our choice."""

    def __init__(self, code: int) -> None:
        Exception.__init__(self, "Requested operation is not valid: domain is not running")
        self.err = (code, 10, str(self), 2, "", "", "", -1, -1)


class Leftover:
    """A machine and its daemon at once."""

    def __init__(self, *, code: int, active: bool, persistent: bool) -> None:
        self.code, self.active, self.persistent = code, active, persistent
        self.done: list[str] = []

    def lookupByName(self, name: str) -> Leftover:
        return self

    def destroy(self) -> None:
        raise Refusal(self.code)

    def isActive(self) -> bool:
        return self.active

    def isPersistent(self) -> bool:
        return self.persistent

    def XMLDesc(self) -> str:
        return "<domain/>"

    def defineXML(self, xml: str) -> Leftover:
        self.done.append("define")
        return self

    def undefineFlags(self, flags: int) -> None:
        self.done.append("undefine")


def end(leftover: Leftover) -> list[str]:
    hypervisor = cast(Any, SimpleNamespace(_connection=leftover, uri="test:///default", _notify=print))
    hypervisor._forget = lambda domain: Hypervisor._forget(hypervisor, domain)
    Hypervisor._end_leftover(hypervisor, "imgpipe-install-x")
    return leftover.done


def test_a_leftover_whose_qemu_is_lost_is_forgotten_instead_of_blocking_every_build():
    lost = Leftover(code=libvirt.VIR_ERR_OPERATION_INVALID, active=False, persistent=False)
    assert end(lost) == ["define", "undefine"]


def test_a_definition_of_somebody_is_not_taken_away():
    assert end(Leftover(code=libvirt.VIR_ERR_OPERATION_INVALID, active=False, persistent=True)) == []


@pytest.mark.parametrize(
    ("code", "active"), [(libvirt.VIR_ERR_OPERATION_INVALID, True), (libvirt.VIR_ERR_INTERNAL_ERROR, False)]
)
def test_a_leftover_that_runs_or_fails_otherwise_is_told(code: int, active: bool):
    with pytest.raises(HostError, match="imgpipe-install-x"):
        end(Leftover(code=code, active=active, persistent=False))


@pytest.mark.parametrize(("owner", "given"), [(0, 77), (4242, 4242)])
def test_kvm_is_given_to_its_group_only_where_it_belongs_to_root(
    owner: int, given: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if os.geteuid():
        pytest.skip("only root gives files to other groups")
    device = tmp_path / "kvm"
    device.touch()
    os.chown(device, -1, owner)
    monkeypatch.setattr(libvirt_daemon, "_KVM", device)
    monkeypatch.setattr(grp, "getgrnam", lambda _name: SimpleNamespace(gr_gid=77))
    libvirt_daemon.give_kvm_to_its_group()
    assert device.stat().st_gid == given
