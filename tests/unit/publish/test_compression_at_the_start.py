"""How an image can be compressed is asked before anything is begun."""

from types import SimpleNamespace

import pytest

from imgpipe import build
from imgpipe.adapters import qemu_img
from imgpipe.errors import HostError
from imgpipe.events import Note
from sample_images import sample_plan, sample_workplace


class Begun(Exception):
    """The first stage was reached."""


class Plugins:
    """Stages that are only reached."""

    def seed(self, *_):
        raise Begun

    sysprep = seed


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Start what makes an image; return what was told until its first stage."""

    def run(start, compression):
        monkeypatch.setattr(qemu_img, "best_compression", compression)
        workplace = sample_workplace(tmp_path)
        told = []
        hypervisor = SimpleNamespace(accelerator=lambda: "kvm")
        place = SimpleNamespace(store=workplace.store, hypervisor=hypervisor, notify=told.append)
        with pytest.raises(Begun):
            start(sample_plan(), SimpleNamespace(digest="0" * 64), Plugins(), place)
        return [event.text for event in told if isinstance(event, Note)]

    return run


@pytest.mark.parametrize("start", [build.build, build.seal_and_publish])
def test_zlib_is_told_before_the_first_stage(started, start):
    (told,) = started(start, lambda: "zlib")
    assert "no zstd" in told
    assert started(start, lambda: "zstd") == []


@pytest.mark.parametrize("start", [build.build, build.seal_and_publish])
def test_a_qemu_img_that_does_not_work_stops_before_the_first_stage(started, start):
    def refuse():
        raise HostError("'qemu-img' failed.")

    with pytest.raises(HostError, match="qemu-img"):
        started(start, refuse)
