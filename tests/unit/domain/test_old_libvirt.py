"""What libvirt and QEMU of each age may have in a machine's XML, what is refused, and what is told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import libvirt
import pytest

from host_capabilities import RELEASES, RecordedConnection, domain_capabilities, features
from imgpipe.adapters.domain_capabilities import ask
from imgpipe.domain_features import HYPERV, NEWEST, FirmwareFiles, listed
from imgpipe.domain_spec import DomainSpec
from imgpipe.domain_support import dropped, refusals
from imgpipe.domain_xml import domain_xml
from imgpipe.errors import HostError
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine

BIOS, UEFI = Machine(), Machine(firmware="uefi")
WINDOWS = Hardware(hyperv=True, tpm=True, secure_boot=True, graphics=True)
PLAIN = FirmwareFiles(code=Path("/f/CODE.fd"), variables=Path("/f/VARS.fd"))
SECURE = FirmwareFiles(code=Path("/f/CODE.sb.fd"), variables=Path("/f/VARS.sb.fd"))


def xml(host, hardware=Hardware(), machine=BIOS, **more):  # noqa: B008 (frozen)
    spec = DomainSpec(name="m", machine=machine, hardware=hardware, accelerator=host.accelerator, **more)
    return ET.fromstring(domain_xml(spec, host))


def old(**changed):
    return replace(NEWEST, libvirt=(6, 2, 0), **changed)


@pytest.mark.parametrize(
    ("accelerator", "place", "attribute", "since"),
    [
        ("kvm", "cpu[@mode='host-passthrough']", "migratable", (6, 5, 0)),
        ("tcg", "features/tcg/tb-cache", "unit", (8, 0, 0)),
        ("kvm", "features/hyperv", "mode", (8, 0, 0)),
    ],
)
def test_what_is_newer_than_libvirt_is_left_out_and_told(accelerator, place, attribute, since):
    def found(version):
        host = replace(NEWEST, libvirt=version, accelerator=accelerator)
        element = xml(host, Hardware(hyperv=True)).find(place)
        told = [one for one in dropped(host, BIOS, Hardware(hyperv=True)) if f"({since[0]}.{since[1]} " in one]
        return element is not None and element.get(attribute) is not None, bool(told)

    before = (since[0], since[1] - 1, 0) if since[1] else (since[0] - 1, 10, 0)
    assert found(since) == (True, False)
    assert found(before) == (False, True)


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        (replace(NEWEST, accelerator="tcg"), "maximum"),
        (replace(NEWEST, libvirt=(7, 1, 0), accelerator="tcg"), "maximum"),
        (replace(NEWEST, libvirt=(7, 0, 0), accelerator="tcg"), "host-model"),
        (replace(NEWEST, lists={"cpu/mode": frozenset({"host-model"})}, accelerator="tcg"), "host-model"),
    ],
)
def test_an_emulated_machine_has_all_of_the_cpu_that_libvirt_can_ask_for(host, mode):
    assert xml(host).find("cpu").get("mode") == mode
    assert any("'maximum'" in one for one in dropped(host, BIOS, Hardware())) == (mode != "maximum")
    assert refusals(host, BIOS, Hardware()) == ()


def test_without_any_such_mode_emulation_is_refused_by_name():
    host = old(accelerator="tcg", lists={"cpu/mode": frozenset({"custom"})})
    (refused,) = refusals(host, BIOS, Hardware())
    assert refused.about == "CPU"
    assert "libvirt 6.2.0" in refused.reason
    assert "'maximum' (libvirt 7.1)" in refused.reason


def test_firmware_is_asked_for_by_features_from_7_2_on():
    for version, by_features in (((7, 2, 0), True), ((7, 1, 0), False)):
        host = replace(NEWEST, libvirt=version, plain=PLAIN, own_files=True)
        system = xml(host, machine=UEFI).find("os")
        assert (system.get("firmware") == "efi") == by_features
        assert (system.find("firmware/feature") is not None) == by_features
        assert (system.find("loader") is None) == by_features


@pytest.mark.parametrize(("secure", "files"), [(False, PLAIN), (True, SECURE)])
def test_an_older_libvirt_is_told_the_files_of_the_firmware(secure, files):
    host = old(plain=PLAIN, secure=SECURE, own_files=True)
    hardware = Hardware(secure_boot=secure)
    system = xml(host, hardware, UEFI, nvram=Path("/n.fd")).find("os")
    assert system.attrib == {}
    assert system.findtext("loader") == str(files.code)
    assert system.find("loader").attrib == {
        "readonly": "yes", "secure": "yes" if secure else "no", "type": "pflash"
    }  # fmt: skip
    assert system.find("nvram").get("template") == str(files.variables)
    assert system.findtext("nvram") == "/n.fd"
    # Where libvirt chooses the place of the variables, it is still told what they are made from.
    chosen = xml(host, hardware, UEFI).find("os/nvram")
    assert (chosen.get("template"), chosen.text) == (str(files.variables), None)
    assert any(str(files.code) in one for one in dropped(host, UEFI, hardware))
    assert refusals(host, UEFI, hardware) == ()


def test_no_firmware_is_taken_that_libvirt_likes():
    here, elsewhere = old(plain=PLAIN, own_files=True), old()
    (refused,) = refusals(here, UEFI, Hardware(secure_boot=True))
    assert "Secure Boot and its keys" in refused.reason
    assert "might take any" in refused.reason
    (refused,) = refusals(elsewhere, UEFI, Hardware())
    assert "run imgpipe on it" in refused.reason
    assert refusals(here, BIOS, Hardware()) == refusals(elsewhere, BIOS, Hardware()) == ()


def test_a_libvirt_without_descriptors_is_told_the_files_whatever_its_version():
    host = replace(NEWEST, lists={"os/firmware": frozenset({"bios"})}, own_files=True)
    (refused,) = refusals(host, UEFI, Hardware())
    assert "no descriptors" in refused.reason
    named = replace(host, plain=PLAIN)
    assert refusals(named, UEFI, Hardware()) == ()
    assert xml(named, machine=UEFI).findtext("os/loader") == str(PLAIN.code)


@pytest.mark.parametrize(
    "lists", [{"os/loader/secure": frozenset({"no"})}, {"os/firmwareFeatures/secureBoot": frozenset({"no"})}]
)
def test_secure_boot_that_libvirt_has_no_firmware_for_is_refused(lists):
    host = replace(NEWEST, lists=lists)
    assert [one.about for one in refusals(host, UEFI, WINDOWS)] == ["UEFI"]
    assert refusals(host, UEFI, Hardware()) == ()


def test_only_what_kvm_has_of_hyper_v_is_asked_for_and_the_rest_is_told():
    there = frozenset(HYPERV) - {"vpindex", "frequencies"}
    host = replace(NEWEST, lists={"features/hyperv/features": there, "devices/panic/model": frozenset({"isa"})})
    machine = xml(host, WINDOWS)
    # QEMU refuses these four without 'vpindex', which is not there.
    lost = {"vpindex", "frequencies", "synic", "stimer", "tlbflush", "ipi"}
    assert {one.tag for one in machine.find("features/hyperv")} == set(HYPERV) - lost
    assert [one.get("model") for one in machine.iterfind("devices/panic")] == ["isa"]
    told = " ".join(dropped(host, BIOS, WINDOWS))
    assert all(f"'{name}'" in told for name in lost)
    assert "'relaxed'" not in told
    assert "panic" in told


def test_hyper_v_that_is_not_there_at_all_is_left_out():
    host = replace(NEWEST, lists={"features/hyperv": frozenset()})
    assert xml(host, WINDOWS).find("features/hyperv") is None
    assert dropped(host, BIOS, Hardware()) == ()


@pytest.mark.parametrize(
    ("lists", "hardware", "about"),
    [
        ({"devices/tpm": frozenset()}, WINDOWS, "TPM"),
        ({"devices/tpm/model": frozenset({"tpm-tis"})}, WINDOWS, "TPM"),
        ({"devices/tpm/backendVersion": frozenset({"1.2"})}, WINDOWS, "TPM"),
        ({"devices/disk/bus": frozenset({"virtio"})}, Hardware(disk_bus="sata"), "devices"),
        ({"devices/graphics/type": frozenset({"spice"})}, WINDOWS, "devices"),
        ({"devices/video/modelType": frozenset({"virtio"})}, Hardware(), "devices"),
        ({"cpu/mode": frozenset({"custom"})}, Hardware(), "CPU"),
    ],
)
def test_what_a_machine_needs_and_qemu_lacks_is_refused(lists, hardware, about):
    assert [one.about for one in refusals(replace(NEWEST, lists=lists), UEFI, hardware)] == [about]
    assert refusals(NEWEST, UEFI, hardware) == ()


def test_more_vcpus_than_qemu_has_are_refused():
    assert refusals(replace(NEWEST, cpus=4), Machine(cpus=4), Hardware()) == ()
    (refused,) = refusals(replace(NEWEST, cpus=4), Machine(cpus=5), Hardware())
    assert "4 vCPUs at most" in refused.reason


def test_a_libvirt_or_qemu_that_is_too_old_is_refused_by_name_and_nothing_else_is_said():
    host = replace(NEWEST, libvirt=(6, 1, 0), qemu=(4, 0, 1), cpus=1)
    found = refusals(host, UEFI, WINDOWS)
    assert [one.about for one in found] == ["libvirt version", "QEMU"]
    assert "libvirt 6.1.0 is too old" in found[0].reason
    assert "6.2.0 or newer" in found[0].reason
    assert "QEMU 4.0.1 is too old" in found[1].reason
    assert refusals(replace(NEWEST, libvirt=(6, 2, 0), qemu=(4, 1, 0)), BIOS, Hardware()) == ()


def test_images_that_would_belong_to_qemus_user_are_told_of_machines_that_need_one():
    host = replace(NEWEST, lists={"features/backingStoreInput": frozenset()})
    assert dropped(host, BIOS, Hardware()) == ()
    (told,) = dropped(host, BIOS, Hardware(), linked=True)
    assert "linked = false" in told


def test_what_is_not_told_says_nothing():
    host = replace(NEWEST, lists=listed(ET.fromstring("<domainCapabilities><devices/></domainCapabilities>")))
    assert host.lists == {}
    assert refusals(host, UEFI, WINDOWS) == dropped(host, UEFI, WINDOWS, linked=True) == ()


def test_domain_capabilities_are_read_by_place():
    found = listed(
        ET.fromstring(
            "<domainCapabilities><os supported='yes'><loader supported='yes'><value>/x</value><enum name='secure'>"
            "<value> yes </value></enum></loader></os><cpu><mode name='maximum' supported='no'/><mode name='host-model'"
            " supported='yes'/></cpu><devices><tpm supported='no'/></devices></domainCapabilities>"
        )
    )
    assert found["os/loader/secure"] == {"yes"}
    assert found["cpu/mode"] == {"host-model"}
    assert found["devices/tpm"] == frozenset()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("accelerator", ["kvm", "tcg"])
def test_a_linux_machine_runs_on_every_release(release, accelerator):
    host = features(release, accelerator)
    assert refusals(host, BIOS, Hardware()) == refusals(host, UEFI, Hardware()) == ()
    assert host.qemu >= (4, 1, 0)
    assert domain_capabilities(release, accelerator)


def test_an_old_host_that_is_far_away_has_no_uefi():
    assert [one.about for one in refusals(features("kylin-10", "kvm", own_files=False), UEFI, Hardware())] == ["UEFI"]
    assert refusals(features("el-8", "kvm", own_files=False), UEFI, WINDOWS) == ()


class Failing(RecordedConnection):
    """One that answers the last question with an error of libvirt's."""

    def __init__(self, code, text):
        super().__init__("el-8")
        self.code, self.text = code, text

    def getDomainCapabilities(self, *_):
        error = libvirt.libvirtError("x")
        error.err = (self.code, 0, self.text, 0, "", None, None, 0, 0)
        raise error


def test_a_qemu_without_such_machines_is_told_with_libvirts_words():
    with pytest.raises(HostError, match="'q35' by KVM") as caught:
        ask(Failing(libvirt.VIR_ERR_INVALID_ARG, "the machine 'q35' is not supported"), "qemu:///system", "kvm", None)
    assert caught.value.details == ("the machine 'q35' is not supported",)
    with pytest.raises(HostError, match="say what machines it takes"):
        ask(Failing(libvirt.VIR_ERR_INTERNAL_ERROR, "no"), "qemu:///system", "tcg", None)


@pytest.mark.parametrize("limit", ["", "x", "-1", "9" * 40, "\u0664"])
def test_a_damaged_answer_is_borne(limit):
    connection = RecordedConnection("el-8")
    connection.getDomainCapabilities = lambda *_: f"<domainCapabilities><vcpu max='{limit}'/></domainCapabilities>"
    assert ask(connection, "qemu:///system", "kvm", None).cpus in (0, 4)
    connection.getDomainCapabilities = lambda *_: "<not"
    with pytest.raises(HostError):
        ask(connection, "qemu:///system", "kvm", None)


def test_a_driver_for_tests_is_not_asked():
    quiet = SimpleNamespace(getLibVersion=lambda: 11_003_000, getType=lambda: "TEST")
    found = ask(quiet, "test:///default", "tcg", ())
    assert (found.libvirt, found.qemu, found.lists, found.accelerator) == ((11, 3, 0), (), {}, "tcg")
