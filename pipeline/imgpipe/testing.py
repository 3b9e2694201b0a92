"""A kit for authors of operating system plugins: the contract's checks, to be run in the plugin's own tests.

`check_family(family)` raises AssertionError that says what the pipeline would stumble over. It starts nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from imgpipe.errors import RecipeError
from imgpipe.os_family import Account, Order, OsFamily, System, Unattended
from imgpipe.recipe import Disk, Guest, Machine, Nic, Recipe, Table
from imgpipe.self_sealing import DiskFacts
from imgpipe.sizes import GIB

MIRROR = "http://mirror.example/debian"
_HASH = "$6$rounds=5000$testtesttest$0000000000000000000000000000000000000000000000000000000000000000"
_PASSWORD = "Correct-Horse-1"  # noqa: S105 (a password of tests)
_NICS = (
    (Nic(name="eth0"),),
    (Nic(name="eth0", address="192.0.2.10/24", gateway="192.0.2.1", dns=("192.0.2.1",)), Nic(name="eth1")),
)


def check_family(family: OsFamily) -> None:
    """Render every system in every layout and firmware, and check what the pipeline relies on."""
    names = [system.name for system in family.systems]
    assert names, f"the family '{family.name}' has no systems"
    assert len(names) == len(set(names)), f"the family '{family.name}' names a system twice"
    for system in family.systems:
        for recipe in _recipes(system):
            _check(family, system, recipe)


def order_of(family: OsFamily, system: System, recipe: Recipe) -> Order:
    """Return the order that a build of `recipe` would put to the family, with a password for root."""
    options = family.options()
    assert isinstance(options, Table), f"the options of '{family.name}' are no Table"
    accounts = {"root": Account(name="root", password_hash=_HASH, password=_PASSWORD if family.clear_passwords else "")}
    return Order(recipe=recipe, system=system, options=options, accounts=accounts, mirror=MIRROR)


def _recipes(system: System) -> Iterator[Recipe]:
    for layout, firmware, nics in itertools.product(("plain", "lvm"), system.firmware, _NICS):
        yield Recipe(
            name="check",
            os=system.name,
            machine=Machine(memory=max(system.memory, 2 * GIB), disk=20 * GIB, firmware=firmware),
            disk=Disk(layout=layout),
            nics=nics,
            guest=Guest(timezone="Asia/Shanghai", sysctl={"vm.swappiness": 10}),
        )


def _check(family: OsFamily, system: System, recipe: Recipe) -> None:
    where = f"{system.name}, {recipe.disk.layout}, {recipe.machine.firmware}"
    order = order_of(family, system, recipe)
    try:
        answer = family.prepare(order)
    except RecipeError as error:
        raise AssertionError(f"{where}: refused an ordinary recipe: {error} {error.details}") from error
    assert answer == family.prepare(order), f"{where}: two answers to one order differ"
    _check_seed(answer, where)
    _check_console(answer, where)
    if answer.sealing:
        nothing = answer.sealing.judge(DiskFacts(files={}, registry={}))
        assert nothing.faults, f"{where}: a disk without any proof is taken for sealed"
    names = [*(item.name for item in answer.operations), *(check.name for check in answer.checks)]
    assert len(names) == len(set(names)), f"{where}: two operations or checks have one name"
    faults = family.lint(answer.seed.files[0].text, system, recipe.machine.firmware)
    assert not [fault for fault in faults if fault.severity == "error"], f"{where}: fails its own lint: {faults}"


def _check_seed(answer: Unattended, where: str) -> None:
    """Check that nothing secret is unmarked, and nothing of today is in a file that names an install."""
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for file in answer.seed.files:
        told = _HASH in file.text or _PASSWORD in file.text
        assert file.secret or not told, f"{where}: '{file.name}' holds a password and is not secret"
        assert today not in file.text, f"{where}: '{file.name}' holds a date, so each day would install anew"
        assert "{volume_id}" not in file.text, f"{where}: '{file.name}' has a place holder that nobody fills"


def _check_console(answer: Unattended, where: str) -> None:
    console, proof = answer.console, answer.proof
    troubles = (*console.troubles, *console.waiting)
    patterns = [*(phase.pattern for phase in console.phases), *(trouble.pattern for trouble in troubles)]
    for pattern in (*patterns, *(trouble.after for trouble in troubles), *console.benign):
        re.compile(pattern)
        # Guests print what they like, and lines of 4096 characters: two open ends in a pattern take seconds a line.
        open_end = re.search(r"[*+]|\{\d*,\}", re.sub(r"\\.|\[\^?\]?[^]]*\]", "x", pattern))
        assert not open_end, f"{where}: the pattern '{pattern}' repeats something without end; write '{{1,200}}'"
    for trouble in troubles:
        known = {*re.compile(trouble.pattern).groupindex, *re.compile(trouble.after).groupindex}
        used = set(re.findall(r"\{(\w+)\}", trouble.reason))
        assert used <= known, f"{where}: the reason '{trouble.reason}' uses groups that its pattern has not"
    for phase in console.phases:
        assert 0 <= phase.percent <= 100, f"{where}: the phase '{phase.label}' has {phase.percent} per cent"
    assert proof.console, f"{where}: there is no proof on the console"
    assert proof.file.startswith("/"), f"{where}: the proof's file is not absolute"
    # Installers echo the answer file; the whole line of the proof must come from running it, not from showing it.
    shown = [file.name for file in answer.seed.files if proof.console in file.text.splitlines()]
    assert not shown, f"{where}: the proof stands as a line in {shown}"
