"""Whatever only plans changes nothing: not the data root, not its pools and volumes, not what libvirt has defined."""

from __future__ import annotations

import pytest

import private_libvirt
from planned_site import Planned, planned, store  # noqa: F401 (fixtures)
from sample_catalog import add_image  # noqa: F401

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.programs,
    pytest.mark.skipif(bool(private_libvirt.lacking()), reason=private_libvirt.lacking()),
]

# What is planned, and a word of its answer that it only has where there was something to plan.
PLANS = {
    "plan rocky9": "rocky9",
    "plan rocky9 --json": '"name"',
    "deploy {tmp}/after.toml --plan": "web-03",
    "deploy {tmp}/after.toml --prune --plan --json": '"remove"',
    "machines set web-01 --vcpus 3 --plan": "3 vCPU instead of 1",
    "machines set web-01 --disk 16G --reset --plan --json --fleet-file {tmp}/before.toml": '"own"',
    "clone vm001 vm005 vm006 --plan": "vm006",
    "clone vm001 vm005 --linked --plan --json": '"planned"',
    "images prune --keep 1 --dry-run": "rocky9@20260228.1",
    "images prune --leftovers --dry-run --json": "installed.qcow2.partial",
}
# What asks first, where nobody can be asked.
UNANSWERED = (
    "images prune --keep 1",
    "images prune --leftovers",
    "images rm rocky9@20260228.1",
    "machines destroy web-01",
    "machines destroy --leftover nobodys.qcow2",
    "machines forget web-01",
    "clone vm001 vm005 --linked",
    "deploy {tmp}/after.toml --prune",
)


def test_what_only_plans_has_an_answer_and_changes_nothing(planned: Planned) -> None:  # noqa: F811
    for words, told in PLANS.items():
        before = planned.everything()
        done = planned.run(words)
        assert (done.returncode, told in done.stdout) == (0, True), (words, done.stdout, done.stderr)
        assert planned.everything() == before, words


def test_what_asks_first_changes_nothing_without_an_answer(planned: Planned) -> None:  # noqa: F811
    (planned.site.folder / "nobodys.qcow2").write_bytes(b"x")
    locks = planned.site.store.root / "locks"
    for words in UNANSWERED:
        before = planned.everything()
        done = planned.run(words)
        assert (done.returncode, "Nobody can be asked" in done.stderr) == (2, True), (words, done.stdout, done.stderr)
        after = planned.everything()
        # The question is asked under the fleet's lock.
        assert {key for key in before | after if before.get(key) != after.get(key)} <= {f"{locks}/fleet-web.lock"}
