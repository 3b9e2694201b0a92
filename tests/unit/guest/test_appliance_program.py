"""libguestfs is told a program's name that Enterprise Linux' build opens NTFS for."""

import importlib
import sys
from types import ModuleType
from unittest.mock import Mock

import pytest


@pytest.fixture
def appliance(monkeypatch):
    binding = ModuleType("guestfs")
    binding.EVENT_APPLIANCE, binding.EVENT_WARNING, binding.GuestFS = 1, 2, object
    monkeypatch.setitem(sys.modules, "guestfs", binding)
    monkeypatch.delitem(sys.modules, "imgpipe.guest_worker.appliance", raising=False)
    yield importlib.import_module("imgpipe.guest_worker.appliance")
    # It has the false binding.
    sys.modules.pop("imgpipe.guest_worker.appliance")


def test_the_appliance_is_launched_as_a_virt_program(appliance):
    handle = Mock()
    appliance.launch(handle, [], force_tcg=False)
    called = [call[0] for call in handle.method_calls]
    # EL's patch of libguestfs: what is no 'virt-...' may not mount NTFS.
    (name,) = handle.set_program.call_args.args
    assert name.startswith("virt-")
    assert called.index("set_program") < called.index("launch")
