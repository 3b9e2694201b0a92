"""Which of libvirt's daemons serve a host, by what is installed and what systemd says of the units."""

import pytest

from imgpipe.adapters import installed
from imgpipe.errors import HostError

MODULAR = {"virtqemud", "virtstoraged", "virtnetworkd", "virtnwfilterd", "virtlogd", "virtproxyd"}
MONOLITHIC = {"libvirtd", "virtlogd"}
# What systemctl agrees to; recorded from public logs of hosts.
ROCKY_10_BOTH = {"cat virtqemud.socket", "is-enabled virtqemud.socket"}
DEBIAN = {"is-enabled libvirtd.socket", "is-active libvirtd.service"}
BOTH_AND_LIBVIRTD_BY_HAND = {"cat virtqemud.socket", "is-active libvirtd.service"}


@pytest.fixture
def host(tmp_path, monkeypatch):
    def of(programs, agreed=None):
        def run(program, *words, **_options):
            assert program == "systemctl"
            if " ".join(words[1:]) not in agreed:
                raise HostError("It says no.")

        monkeypatch.setattr(installed, "_SYSTEMD", tmp_path / "none" if agreed is None else tmp_path)
        monkeypatch.setattr(installed.process, "is_installed", programs.__contains__)
        monkeypatch.setattr(installed.process, "run", run)
        return installed.daemons()

    return of


@pytest.mark.parametrize(
    ("programs", "agreed", "program"),
    [
        (MODULAR, {"cat virtqemud.socket"}, "virtqemud"),
        (MODULAR, None, "virtqemud"),
        (MONOLITHIC, DEBIAN, "libvirtd"),
        (MONOLITHIC, None, "libvirtd"),
        (MODULAR | MONOLITHIC, ROCKY_10_BOTH, "virtqemud"),
        (MODULAR | MONOLITHIC, ROCKY_10_BOTH | {"is-enabled libvirtd.socket"}, "libvirtd"),
        (MODULAR | MONOLITHIC, BOTH_AND_LIBVIRTD_BY_HAND, "libvirtd"),
        (MODULAR | MONOLITHIC, DEBIAN, "libvirtd"),
        (MODULAR | MONOLITHIC, None, "libvirtd"),
    ],
)
def test_one_kind_of_daemons_serves_a_host(host, programs, agreed, program):
    assert host(programs, agreed).program == program


def test_the_units_of_all_that_belong_to_it_are_named_as_far_as_they_are_installed(host):
    assert host(MODULAR, {"cat virtqemud.socket"}).sockets == (
        "virtqemud.socket",
        "virtstoraged.socket",
        "virtnetworkd.socket",
        "virtnwfilterd.socket",
        "virtlogd.socket",
        "virtproxyd.socket",
    )
    assert host(MODULAR - {"virtproxyd", "virtnetworkd", "virtnwfilterd"}, None).helpers == ("virtstoraged", "virtlogd")
    assert host(MODULAR | MONOLITHIC, DEBIAN).sockets == ("libvirtd.socket", "virtlogd.socket")
    assert host(set()) is None
