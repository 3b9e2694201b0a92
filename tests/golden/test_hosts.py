"""The machines of some recipes on hosts of each release, compared with the reviewed ones in hosts/.

`hosts/RELEASE.txt` says what each machine does without there, why it is refused, and in which file its XML is; releases
whose machines are the same share files, under the name of the newest of them.
"""

import dataclasses
from pathlib import Path

import pytest

from host_capabilities import RELEASES, features, recorded
from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.domain_spec import DomainDisk
from imgpipe.domain_support import dropped, refusals
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain, install_domain, verify_domain
from imgpipe.os_family import KernelBoot

DATA = Path(__file__).parent / "hosts"
WORK = Path("/var/lib/imgpipe/work/key")
POOL = Path("/var/lib/libvirt/images")
RECIPES = (("rocky9", "bios"), ("rocky9", "uefi"), ("win2016", "bios"), ("win2019", "uefi"), ("win11", "uefi"))


def by_age(release):
    """Return what sorts the newest libvirt first."""
    return tuple(-part for part in features(release, "tcg").libvirt), release


def machines(plan, accelerator):
    """Yield the machines of a plan by name: install, verify where there is one, and final."""
    direct = isinstance(plan.unattended.boot, KernelBoot)
    further = tuple(
        Medium(path=Path(f"/media/{other.name}.iso"), sha256="1" * 64, volume_id="V", title=other.name, name=other.name)
        for other in plan.system.further
    )
    medium = Medium(path=Path("/media/installer.iso"), sha256="0" * 64, volume_id="V", title="golden", further=further)
    seed = SeedMedia(
        folder=WORK,
        digests=(),
        kernel=WORK / "kernel" if direct else None,
        initrd=WORK / "initrd" if direct else None,
        arguments=plan.unattended.boot.arguments if direct else (),
        iso=None if direct else WORK / "seed.iso",
    )
    yield "install", install_domain(plan, medium, seed, WORK, accelerator)
    if plan.unattended.sealing is None:
        overlay = DomainDisk(path=WORK / "verify/overlay.qcow2", cache=plan.cache, stop_on_error=True)
        yield "verify", verify_domain(plan, overlay, WORK / "verify", accelerator)
    final = FinalMachine(
        name=plan.name,
        machine=plan.machine,
        hardware=plan.unattended.hardware,
        cache=plan.cache,
        disk=POOL / "machine.qcow2",
        backing=POOL / "image.qcow2",
        accelerator=accelerator,
    )
    yield "final", final_domain(final)


def on_host(release, plans, files):
    """Return what is written down of a release; XML that no newer one has is added to `files`, by name."""
    lines = [recorded(release)["title"]]
    for (recipe, firmware), plan in plans.items():
        for accelerator in ("kvm", "tcg"):
            host, kind = features(release, accelerator), (plan.machine, plan.unattended.hardware)
            lines += ["", f"{recipe}, {firmware}, {accelerator}"]
            refused = [f"  refused  {one.about}: {one.reason}" for one in refusals(host, *kind)]
            lines += refused or [f"  without  {words}" for words in dropped(host, *kind, linked=True)]
            for name, spec in () if refused else machines(plan, accelerator):
                file = f"{recipe}-{firmware}-{name}-{accelerator}.xml"
                xml = domain_xml(spec, host)
                same = (known for known, text in files.items() if known.endswith(f"/{file}") and text == xml)
                place = next(same, f"{release}/{file}")
                files[place] = xml
                lines.append(f"  {name:<8} {place}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def written(plan_of):
    """Everything that is written down, by name."""
    plans = {}
    for recipe, firmware in RECIPES:
        plan = plan_of(recipe)
        machine = plan.machine.model_copy(update={"firmware": firmware})
        plans[recipe, firmware] = dataclasses.replace(plan, machine=machine)
    files = {}
    for release in sorted(RELEASES, key=by_age):
        files[f"{release}.txt"] = on_host(release, plans, files)
    return files


def test_machines_on_each_release_are_as_reviewed(written, request):
    if request.config.getoption("--update-golden"):
        for path in DATA.rglob("*.*"):
            if path.is_file():
                path.unlink()
        for name, text in written.items():
            (DATA / name).parent.mkdir(parents=True, exist_ok=True)
            (DATA / name).write_text(text)
    there = {str(path.relative_to(DATA)): path.read_text() for path in DATA.rglob("*.*") if path.is_file()}
    assert there == written


@pytest.mark.parametrize("release", RELEASES)
def test_each_fact_of_a_release_says_how_it_is_known(release):
    told = recorded(release)["facts"]
    assert told
    assert not {name: how for name, (_, how) in told.items() if not how.startswith(("read: ", "believed: "))}
