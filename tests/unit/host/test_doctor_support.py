"""What doctor says of a libvirt and QEMU of each age."""

from dataclasses import replace

import pytest

from host_capabilities import features
from imgpipe.domain_features import NEWEST
from imgpipe.errors import HostError
from imgpipe.host.distribution import Distribution
from imgpipe.host.doctor import daemon, programs, support

ROCKY = Distribution(family="el", title="Rocky 8", release="8")


def judged(host):
    return [(one.name, one.state) for one in support.judge(host, ROCKY)]


def test_the_newest_lacks_nothing():
    assert judged(NEWEST) == [("libvirt features", "ok")]


@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_kylins_works_without_some_and_has_no_secure_boot(accelerator):
    assert judged(features("kylin-10", accelerator)) == [("UEFI", "warn"), ("libvirt features", "warn")]
    (firmware, without) = support.judge(features("kylin-10", accelerator), ROCKY)
    assert "Secure Boot" in firmware.meaning
    assert firmware.commands == ("dnf install edk2-ovmf",)
    assert "6.2.0" in without.meaning


@pytest.mark.parametrize("release", ["el-8", "openeuler-24.03", "rocky-9.7", "ubuntu-22.04"])
def test_from_libvirt_8_on_nothing_is_lacking(release):
    assert judged(features(release, "kvm")) == [("libvirt features", "ok")]


def test_one_that_is_too_old_fails_and_says_no_more():
    assert judged(replace(NEWEST, libvirt=(5, 0, 0))) == [("libvirt version", "fail")]


def test_what_mends_another_host_is_not_told_as_this_ones():
    (found,) = support.judge(replace(NEWEST, libvirt=(5, 0, 0)), ROCKY)
    assert found.commands == ()
    (found,) = support.judge(replace(NEWEST, libvirt=(5, 0, 0), own_files=True), ROCKY)
    assert found.commands == ("dnf upgrade 'qemu*' 'libvirt*'",)


class Asked:
    """A libvirt that is asked for one accelerator."""

    uri, local = "qemu:///system", False

    def __init__(self, *, kvm=True, error=None):
        self.kvm, self.error, self.heard, self.closed = kvm, error, [], 0

    def offers_kvm(self):
        return self.kvm

    def features(self, accelerator):
        self.heard.append(accelerator)
        if self.error:
            raise self.error
        return NEWEST

    def close(self):
        self.closed += 1


@pytest.mark.parametrize(
    ("used", "kvm", "accelerator"), [("tcg", True, "tcg"), (None, True, "kvm"), (None, False, "tcg")]
)
def test_it_is_asked_for_the_accelerator_that_machines_will_have(monkeypatch, used, kvm, accelerator):
    asked = Asked(kvm=kvm)
    monkeypatch.setattr(daemon, "look", lambda *_: asked)
    assert daemon.features_at("qemu:///system", used) is NEWEST
    assert (asked.heard, asked.closed) == ([accelerator], 1)


def test_one_that_does_not_run_is_not_asked(monkeypatch):
    monkeypatch.setattr(daemon, "look", lambda *_: None)
    assert daemon.features_at("qemu:///system", None) is None


def test_a_qemu_that_runs_no_such_machine_fails():
    (found,) = daemon._taken(Asked(error=HostError("No 'q35'.")), "kvm")
    assert (found.name, found.state, found.meaning) == ("libvirt features", "fail", "No 'q35'.")


def test_a_qemu_without_zstd_is_told():
    facts = programs.ProgramFacts(versions={"qemu": "6.2.0", "libvirt": "8.0.0"}, qemu_img=True, missing={}, zstd=False)
    found = {one.name: one for one in programs.judge(facts, ROCKY, "kvm")}
    assert found["compression"].state == "warn"
    assert "--compression zlib" in found["compression"].meaning
    with_it = replace(facts, zstd=True)
    assert "compression" not in {one.name for one in programs.judge(with_it, ROCKY, "kvm")}
