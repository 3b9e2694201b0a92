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


# What is refused, and a word of why; nobody made imgpipe's pool yet.
REFUSED = {
    "deploy nope --name db": "There is no image 'nope'",
    "deploy nope --name db --plan": "There is no image 'nope'",
    "deploy rocky9 --name db --bridge nope0": "no bridge 'nope0'",
    "deploy rocky9 --name db_1": "'db_1' is no name for machines",
    "deploy rocky9 --name db --memory 900000G": "memory",
    "deploy rocky9 --name db --pool nope": "There is no storage pool 'nope'",
    "clone nope vm005": "There is no machine 'nope'",
    "clone vm001 web-01": "web-01",
    "machines destroy nope --yes": "'nope'",
    "machines destroy --leftover nope.qcow2 --yes": "has no volume 'nope.qcow2'",
    "flatten nope": "'nope'",
}


def test_what_is_refused_makes_and_starts_no_pool(planned: Planned) -> None:  # noqa: F811
    connection = planned.site.hypervisor.connection
    pool = connection.storagePoolLookupByName("imgpipe")
    for undo in (pool.destroy, pool.undefine):
        undo()
        for words, told in REFUSED.items():
            before = planned.everything()
            done = planned.run(words)
            assert (done.returncode, told in done.stderr) == (2, True), (words, done.stdout, done.stderr)
            after = planned.everything()
            changed = {key for key in before | after if before.get(key) != after.get(key)}
            # A lock is held while it is judged.
            assert not {key for key in changed if "/locks" not in key}, words


def test_a_pool_that_is_off_or_gone_is_there_again_for_what_is_not_refused(planned: Planned) -> None:  # noqa: F811
    connection = planned.site.hypervisor.connection
    for undone in (("destroy",), ("destroy", "undefine")):
        pool = connection.storagePoolLookupByName("imgpipe")
        for undo in undone:
            getattr(pool, undo)()
        done = planned.run("deploy {tmp}/before.toml --yes")
        assert done.returncode == 0, done.stderr
        assert connection.storagePoolLookupByName("imgpipe").isActive()
