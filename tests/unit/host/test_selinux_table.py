"""Whatever a machine's XML names is in the table of what SELinux allows on Enterprise Linux 9 and 10."""

import json
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from imgpipe.adapters.accelerator import _probe_domain
from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.domain_spec import DomainDisk, DomainNic
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain, install_domain, verify_domain
from imgpipe.os_family import Hardware
from imgpipe.recipe import Machine
from imgpipe.settings import checkout
from imgpipe.sizes import GIB
from tiny_plan import tiny_plan

DATA = json.loads((Path(__file__).parent / "data/selinux.json").read_text())
WORK = Path("/var/lib/imgpipe/work/key")
GUESTS = ("svirt_t", "svirt_tcg_t")
WINDOWS = Hardware(cache="writeback", hyperv=True, tpm=True, secure_boot=True, graphics=True, nic_model="e1000e")
CHARDEVS = ("serial", "parallel", "console", "channel", "redirdev", "smartcard", "rng/backend", "tpm/backend")
# The daemon of Enterprise Linux 10 is confined by a policy that only warns it. In a folder of the type that
# 'doctor --fix' sets it is allowed all; what is left is libvirt's own, and the same for any machine of anybody's.
LEFT_TO_LIBVIRT = {"qemu_var_run_t", "virtqemud_var_run_t", "svirt_devpts_t", "virt_cache_t"}
RELABELLED = {kind for place in ("data root", "medium") for kind in DATA["places"][place]}
RELABELLED -= {"virt_image_t", "virt_content_t", "svirt_image_t"}


def machines():
    seed = SeedMedia(folder=WORK, digests=(), kernel=WORK / "kernel", initrd=WORK / "initrd", arguments=("a",))
    medium = Medium(path=Path("/root/installer.iso"), sha256="0" * 64, volume_id="M", title="M")
    for firmware, accelerator, hardware in product(("bios", "uefi"), ("kvm", "tcg"), (Hardware(), WINDOWS)):
        kind = f"{firmware} {accelerator} {'Windows' if hardware.tpm else 'Linux'}"
        plan = tiny_plan("good")
        plan = replace(
            plan,
            machine=Machine(cpus=2, memory=GIB, disk=GIB, firmware=firmware),
            install_network="user",
            unattended=replace(plan.unattended, hardware=hardware),
        )
        yield f"install {kind}", install_domain(plan, medium, seed, WORK, accelerator)
        by_cd = replace(seed, kernel=None, initrd=None, arguments=(), iso=WORK / "seed.iso")
        more = replace(medium, further=(replace(medium, path=Path("/data/virtio-win.iso")),))
        yield f"install by CD {kind}", install_domain(plan, more, by_cd, WORK, accelerator)
        overlay = DomainDisk(path=WORK / "overlay.qcow2", cache="none", backing=Path("/var/lib/imgpipe/images/a.qcow2"))
        yield f"verify {kind}", verify_domain(plan, overlay, WORK, accelerator)
        final = FinalMachine(
            name="vm001",
            machine=plan.machine,
            hardware=hardware,
            cache="none",
            disk=Path("/var/lib/imgpipe/machines/vm001.qcow2"),
            nics=(DomainNic(kind="bridge", source="br1", mac="52:54:00:00:00:01"),),
            accelerator=accelerator,
            nvram=Path("/var/lib/imgpipe/machines/vm001.fd"),
        )
        yield f"deployed {kind}", final_domain(final)
        cloned = replace(final, backing=Path("/var/lib/imgpipe/images/a.qcow2"), seed=Path("/var/lib/imgpipe/s.iso"))
        yield f"cloned {kind}", final_domain(replace(cloned, ports=("org.imgpipe.report.0",)))
    yield "probe", _probe_domain(WORK / "kernel")


MACHINES = {name: domain_xml(spec) for name, spec in machines()}


def named(text):
    """Yield what a machine's XML names that somebody must open: the element it is in, and the path if one is told."""
    domain = ET.fromstring(text)
    if domain.get("type") == "kvm":
        yield "domain@kvm", ""
    if domain.find("os[@firmware]") is not None:
        yield "os@firmware", ""
    devices = {id(one): one for one in domain.findall("devices/*")}
    kinds = {"disk": "device", "interface": "type"}

    def walk(element, path):
        kind = element.get(kinds.get(element.tag, "")) if id(element) in devices else None
        path = f"{path}{'/' if path else ''}{element.tag}{f'[{kind}]' if kind else ''}"
        words = [element.text or "", *element.attrib.values()]
        for word in words:
            if word.strip().startswith("/"):
                yield path, word.strip()
        if id(element) in devices and element.tag in {"serial", "channel", "tpm", "graphics"}:
            yield path, ""
        if path == "devices/interface[user]":
            yield path, ""
        for child in element:
            yield from walk(child, path)

    for part in domain:
        yield from walk(part, "")


def misplaced(text):
    """Yield the devices whose output the log daemon would write to a file of ours: it may write in its own folder."""
    domain = ET.fromstring(text)
    for tag in CHARDEVS:
        for one in domain.findall(f"devices/{tag}"):
            if one.get("type") == "file":
                yield f"{tag} of type file"
    for log in domain.iter("log"):
        if not (log.get("file") or "").startswith("/var/log/libvirt/"):
            yield f"log {log.get('file')}"


def domains(name, release):
    policy = DATA["policies"][release]
    known = {"guest": GUESTS, "tpm": GUESTS, "daemon": policy["daemons"], "storage": policy["storage"]}
    return known.get(name) or name.split("|")


def uses(thing):
    """Yield (who, type, class, permissions) of all that is done with a thing while a machine starts, runs and ends."""
    kind, label = thing["cls"], thing["label"]
    for found in DATA["places"].get(thing.get("place"), thing.get("types", ())):
        if thing.get("place"):
            yield from ((who, found, "dir", ["search"]) for who in ("guest", "daemon"))
        if label:
            yield "daemon", found, kind, ["relabelfrom"] if thing["unkept"] else ["relabelfrom", "relabelto"]
        else:
            yield from ((who, found, *rest) for who, *rest in thing["uses"])
        yield from (("daemon", found, *rest) for rest in thing["makes"])
    if label:
        yield "daemon", label, kind, ["relabelto"]
        yield from ((who, label, *rest) for who, *rest in thing["uses"])
    yield from thing["extra"]


def questions(thing, release):
    for who, whose, kind, permissions in uses(thing):
        for source, target in product(domains(who, release), domains(whose, release)):
            if target in DATA["policies"][release]["absent"]:
                continue
            # Each guest domain has ptys of its own type.
            if "devpts" in target and source in GUESTS and target != f"{source.removesuffix('_t')}_devpts_t":
                continue
            if (who, whose) == ("guest", "tpm") and source != target:
                continue
            for permission in permissions:
                yield target, f"sesearch -A -s {source} -t {target} -c {kind} -p {permission}"


@pytest.mark.parametrize("machine", MACHINES)
def test_all_that_a_machine_names_is_in_the_table(machine):
    known = {thing["element"] for thing in DATA["things"]}
    assert {element for element, _ in named(MACHINES[machine])} <= known


@pytest.mark.parametrize("machine", MACHINES)
def test_the_log_daemon_is_asked_for_no_file_of_ours(machine):
    assert not list(misplaced(MACHINES[machine]))


def test_a_console_in_a_file_of_ours_would_be_found():
    text = MACHINES["probe"].replace('<serial type="pty">', f'<serial type="file"><source path="{WORK}/console.log" />')
    assert list(misplaced(text)) == ["serial of type file"]
    assert ("devices/serial/source", f"{WORK}/console.log") in set(named(text))
    assert "devices/serial/source" not in {thing["element"] for thing in DATA["things"]}
    for release, kind in product(DATA["policies"], DATA["places"]["data root"]):
        asked = f"sesearch -A -s virtlogd_t -t {kind} -c file -p"
        assert "denied" in {DATA["answers"][f"{asked} {each}"][release] for each in ("open", "append")}


@pytest.mark.parametrize("release", DATA["policies"])
@pytest.mark.parametrize("thing", DATA["things"], ids=lambda thing: thing["name"])
def test_all_that_is_done_with_it_is_allowed(thing, release):
    for target, question in questions(thing, release):
        answer = DATA["answers"][question][release]
        warned = answer == "permissive" and release == "c10s" and re.search(r"-s virt(qemud|storaged)_t ", question)
        assert answer == "allowed" or warned, question
        if warned:
            assert target in LEFT_TO_LIBVIRT | RELABELLED, question


def test_an_initrd_is_asked_for_as_what_qemu_maps():
    # hw/i386/x86-common.c in QEMU, since 3.1: g_mapped_file_new(); the kernel is read by fread(3).
    things = {thing["name"]: thing for thing in DATA["things"]}
    for release in DATA["policies"]:
        asked = {question for _, question in questions(things["initrd"], release)}
        assert {f"sesearch -A -s {guest} -t virt_content_t -c file -p map" for guest in GUESTS} <= asked
        assert not [question for _, question in questions(things["kernel"], release) if question.endswith("map")]


def test_the_manual_has_a_row_for_everything():
    text = (checkout() / "docs/hosts-el.md").read_text()
    rows = {line.split("|")[1].partition(":")[0].strip() for line in text.splitlines() if line.startswith("| ")}
    assert {thing["name"] for thing in DATA["things"]} <= rows
