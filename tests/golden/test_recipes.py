"""Every recipe's plan, answer files and domain XML, compared with the reviewed ones in data/."""

import json
from pathlib import Path

import pytest

from imgpipe.artifacts import Medium, SeedMedia
from imgpipe.domain_xml import domain_xml
from imgpipe.domains import FinalMachine, final_domain, install_domain
from imgpipe.os_family import KernelBoot
from imgpipe.plan import show
from imgpipe.settings import checkout

COMPLEX_PASSWORD = "Golden-0"  # of conftest.py
DATA = Path(__file__).parent / "data"
NAMES = sorted(path.stem for path in (checkout() / "recipes").glob("*.toml"))
WORK = Path("/var/lib/imgpipe/work/key")


def install_xml(plan, accelerator):
    further = tuple(
        Medium(path=Path(f"/media/{other.name}.iso"), sha256="1" * 64, volume_id="V", title=other.name, name=other.name)
        for other in plan.system.further
    )
    medium = Medium(
        path=Path("/media/installer.iso"), sha256="0" * 64, volume_id="VOLUME", title="golden", further=further
    )
    direct = isinstance(plan.unattended.boot, KernelBoot)
    seed = SeedMedia(
        folder=WORK,
        digests=(),
        kernel=WORK / "kernel" if direct else None,
        initrd=WORK / "initrd" if direct else None,
        arguments=plan.unattended.boot.arguments if direct else (),
        iso=WORK / "seed.iso" if plan.unattended.seed.place == "iso" else None,
    )
    return domain_xml(install_domain(plan, medium, seed, WORK, accelerator))


def final_xml(plan):
    final = FinalMachine(
        name=plan.name,
        machine=plan.machine,
        hardware=plan.unattended.hardware,
        cache=plan.cache,
        disk=Path("/var/lib/libvirt/images/machine.qcow2"),
    )
    return domain_xml(final_domain(final))


def files_of(plan):
    yield "plan.json", json.dumps(show(plan), indent=1) + "\n"
    for file in plan.unattended.seed.files:
        yield file.name, file.text
    yield "install-kvm.xml", install_xml(plan, "kvm")
    yield "install-tcg.xml", install_xml(plan, "tcg")
    yield "final.xml", final_xml(plan)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_does_what_was_reviewed(name, plan_of, request):
    folder = DATA / name
    # A file of a folder on the seed lies beside the others here; bytes, because some have Windows' line breaks.
    made = {file.replace("/", "_"): text.encode() for file, text in files_of(plan_of(name))}
    if request.config.getoption("--update-golden"):
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        for file, text in made.items():
            (folder / file).write_bytes(text)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == made


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_the_same_for_the_same_input(name, plan_of):
    assert plan_of(name) == plan_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_what_is_shown_of_a_plan(name, plan_of):
    plan = plan_of(name)
    shown = json.dumps(show(plan))
    secret = [
        line
        for file in plan.unattended.seed.files
        for line in file.text.splitlines()
        if "$6$" in line or "<Value>" in line
    ]
    assert "$6$" not in shown
    assert COMPLEX_PASSWORD not in shown
    assert not any(line in shown for line in secret)


def test_what_comes_after_the_install_does_not_change_its_key(plan_of, recipes, plugins):
    plan = plan_of("rocky9")
    import dataclasses

    later = dataclasses.replace(plan, name="other", checks=(), operations=(), cache="writeback")
    assert plan.install_key("a") == later.install_key("a")
    assert plan.install_key("a") != plan.install_key("b")
    assert plan.seal_key("k") != later.seal_key("k")
