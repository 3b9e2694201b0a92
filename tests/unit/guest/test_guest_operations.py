"""The core's operations as records: what `imgpipe sysprep --list` shows, and what a plan runs."""

import re

import pytest

from imgpipe.offline_edits import (
    Absent,
    CopyFile,
    DropLines,
    Operation,
    Remove,
    ReplaceMacs,
    Symlink,
    Truncate,
    WriteFile,
)
from imgpipe.operations import CORE, core_operations
from imgpipe.recipe import Nic, Recipe
from imgpipe.stages.sysprep import VITAL

# What would be fatal to lose, whatever a pattern says.
PRECIOUS = ("/etc", "/etc/passwd", "/etc/shadow", "/etc/fstab", "/root", "/home", "/var/log", "/tmp", "/boot", "/usr")


def names(operations: tuple[Operation, ...]) -> list[str]:
    return [operation.name for operation in operations]


def named(operations: tuple[Operation, ...], name: str) -> Operation:
    return next(operation for operation in operations if operation.name == name)


def paths_of(operation: Operation) -> list[str]:
    paths: list[str] = []
    for step in operation.steps:
        match step:
            case Remove() | Truncate() | ReplaceMacs():
                paths += [*step.patterns, *getattr(step, "keep", ())]
            case WriteFile() | Symlink() | DropLines():
                paths.append(step.path)
            case CopyFile():
                paths += [step.source, step.path, step.where]
    for claim in operation.sealed:
        paths += [*claim.patterns, *claim.keep] if isinstance(claim, Absent) else [claim.path]
    return paths


def recipe(**tables: object) -> Recipe:
    return Recipe.model_validate({"name": "sample", "os": "rocky9", **tables})


def test_names_are_unique():
    assert len(set(names(CORE))) == len(CORE)


@pytest.mark.parametrize("operation", CORE, ids=lambda operation: operation.name)
def test_an_operation_is_described_in_a_sentence_and_has_absolute_paths(operation):
    assert re.fullmatch(r"[A-Z][^\n]{20,120}\.", operation.description)
    assert all(
        path.startswith("/") and "//" not in path and ".." not in path.split("/") for path in paths_of(operation)
    )


@pytest.mark.parametrize("operation", CORE, ids=lambda operation: operation.name)
def test_no_pattern_takes_what_a_system_cannot_lose(operation):
    patterns = [pattern for step in operation.steps if isinstance(step, Remove) for pattern in step.patterns]
    for pattern in patterns:
        expression = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
        assert not [path for path in PRECIOUS if re.fullmatch(expression, path)], pattern


def test_operations_that_remove_also_claim_what_they_remove():
    for operation in CORE:
        removed = {p for step in operation.steps if isinstance(step, Remove) for p in step.patterns}
        claimed = {p for claim in operation.sealed if isinstance(claim, Absent) for p in claim.patterns}
        if operation.name not in ("package-caches", "user-caches"):  # they clean folders that stay
            assert removed == claimed, operation.name


def test_the_vital_claims_exist():
    assert all(named(CORE, name).sealed and named(CORE, name).default for name in VITAL)


def test_the_entry_token_is_pinned_before_the_machine_id_is_emptied():
    assert names(CORE).index("boot-entries") < names(CORE).index("machine-id")


def test_profiles_of_the_recipes_nics_stay_and_all_others_go():
    operation = named(core_operations(recipe(nics=[{"name": "eth0"}, {"name": "eth1"}])), "nic-profiles")
    (step,) = operation.steps
    assert isinstance(step, Remove)
    assert "/etc/NetworkManager/system-connections/*" in step.patterns
    assert "/etc/NetworkManager/system-connections/eth1.nmconnection" in step.keep
    assert "/etc/sysconfig/network-scripts/ifcfg-eth0" in step.keep


def test_with_a_nic_known_by_its_mac_only_the_made_up_profiles_go():
    operation = named(core_operations(recipe(nics=[{"mac": "52:54:00:00:00:01"}])), "nic-profiles")
    (step,) = operation.steps
    assert isinstance(step, Remove)
    assert step.patterns
    assert all("Wired" in pattern for pattern in step.patterns)


def test_name_servers_that_the_recipe_asks_for_stay():
    nic = {"name": "eth0", "address": "10.0.0.2/24", "dns": ["10.0.0.1"]}
    assert named(core_operations(recipe(nics=[nic])), "resolver").steps == ()
    assert named(core_operations(recipe()), "resolver").steps == (Truncate(patterns=("/etc/resolv.conf",)),)


def test_a_template_keeps_the_host_name_that_its_recipe_gives_it():
    kept = named(core_operations(recipe(guest={"hostname": "template.example"})), "hostname")
    assert not [step for step in kept.steps if isinstance(step, Remove)]
    assert Remove(patterns=("/etc/hostname", "/etc/HOSTNAME")) in named(core_operations(recipe()), "hostname").steps


@pytest.mark.parametrize("keep_keys", [True, False])
def test_authorized_keys_go_only_where_the_recipe_says_so(keep_keys):
    operations = core_operations(recipe(sysprep={"keep_keys": keep_keys}))
    assert named(operations, "ssh-keys").default is not keep_keys


def test_the_default_set_is_that_of_a_recipe_that_says_nothing():
    assert core_operations(recipe(nics=[Nic(name="eth0").model_dump()])) == CORE
