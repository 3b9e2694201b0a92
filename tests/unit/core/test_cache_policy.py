"""Which cache modes a recipe may ask for without a reason, and what hides no other fault."""

import pytest

from imgpipe.errors import RecipeError
from imgpipe.passwords import Vault
from imgpipe.planning import Given, make_plan
from imgpipe.recipe import Recipe


def plan(plugins, system, cache):
    vault = Vault(environ={"IMGPIPE_ROOT_PASSWORD": "Golden-0"}, salt=b"x")
    recipe = vault.with_default(Recipe.model_validate({"name": "r", "os": system, "machine": cache}))
    return make_plan(recipe, plugins, Given(accounts=vault.accounts(recipe, clear=system.startswith("win"))))


@pytest.mark.parametrize("cache", ["none", "writeback"])
def test_what_the_policy_of_linux_says_needs_no_reason(plugins, cache):
    assert plan(plugins, "rocky9", {"cache": cache}).cache == cache


def test_what_departs_from_the_policy_needs_a_reason_and_is_told_what_the_policy_is(plugins):
    with pytest.raises(RecipeError) as caught:
        plan(plugins, "rocky9", {"cache": "unsafe"})
    assert caught.value.details == (
        "machine.cache: 'unsafe' departs from the policy, 'none'; say why in machine.cache_reason",
    )
    assert plan(plugins, "rocky9", {"cache": "unsafe", "cache_reason": "for a test"}).cache == "unsafe"


def test_what_a_family_finds_wrong_hides_no_fault_that_is_known_before(plugins):
    vault = Vault(environ={}, salt=b"x")
    tables = {"machine": {"memory": "64 MiB"}, "guest": {"keyboard": "usa"}, "media": {"x": {"file": "x.iso"}}}
    recipe = Recipe.model_validate({"name": "r", "os": "rocky10", **tables})
    with pytest.raises(RecipeError) as caught:
        make_plan(recipe, plugins, Given(accounts=vault.accounts(recipe)))
    assert [fault.partition(":")[0] for fault in caught.value.details] == [
        "machine.memory",
        "media.x",
        "guest.keyboard",
    ]
