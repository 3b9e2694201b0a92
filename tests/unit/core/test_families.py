import dataclasses

import pytest

from imgpipe.os_family import AnswerFile, Trouble
from imgpipe.testing import check_family

EXPECTED = {
    "kickstart": {
        *("rocky8", "rocky9", "rocky10", "almalinux8", "almalinux9", "almalinux10", "centos-stream9"),
        *("centos-stream10", "openeuler22.03", "openeuler24.03", "anolis8", "anolis23"),
        *("opencloudos8", "opencloudos9", "kylin10", "uos20", "demo"),
    },
    "preseed": {"debian12", "debian13"},
    "autoinstall": {"ubuntu22.04", "ubuntu24.04"},
    "unattend": {"win2008r2", "win2012r2", "win2016", "win2019", "win2022", "win2025", "win10", "win11"},
}


@pytest.mark.parametrize("name", ["el", "debian", "ubuntu", "windows", "demo"])
def test_every_built_in_family_keeps_the_contract(name, plugins):
    (family,) = [family for family in plugins.families if family.name == name]
    check_family(family)


def test_all_systems_are_there_each_with_its_kind_of_answer_file(plugins):
    found = {}
    for family in plugins.families:
        found.setdefault(family.answer_kind, set()).update(system.name for system in family.systems)
    assert found == EXPECTED


def test_a_system_says_it_was_tested_only_where_the_tests_install_it(plugins):
    tested = {
        system.name
        for family in plugins.families
        for system in family.systems
        if not system.tested.startswith(("rendered and checked only", "answer file checked only; never installed"))
    }
    assert tested == {"demo", "debian13"}


def broken(family, **changes):
    prepare = family.prepare

    def worse(order):
        answer = prepare(order)
        return dataclasses.replace(answer, **{key: change(answer) for key, change in changes.items()})

    return dataclasses.replace(family, prepare=worse, lint=lambda *_: ())


def with_trouble(answer, trouble):
    return dataclasses.replace(answer.console, troubles=(*answer.console.troubles, trouble))


FAULTS = {
    "is not secret": {
        "seed": lambda answer: dataclasses.replace(
            answer.seed, files=tuple(dataclasses.replace(file, secret=False) for file in answer.seed.files)
        )
    },
    "stands as a line": {
        "seed": lambda answer: dataclasses.replace(
            answer.seed, files=(*answer.seed.files, AnswerFile(name="x", text=f"a\n{answer.proof.console}\n"))
        )
    },
    "one name": {"checks": lambda answer: (*answer.checks, *answer.checks)},
    "without end": {"console": lambda answer: with_trouble(answer, Trouble(pattern=r"a.*b", reason="It failed."))},
    "groups that its pattern has not": {
        "console": lambda answer: with_trouble(answer, Trouble(pattern=r"(?P<a>x)", reason="{b} failed."))
    },
    "no proof": {"proof": lambda answer: dataclasses.replace(answer.proof, console="")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_kit_finds_what_it_is_for(fault, plugins):
    (family,) = [family for family in plugins.families if family.name == "demo"]
    with pytest.raises(AssertionError, match=fault):
        check_family(broken(family, **FAULTS[fault]))
