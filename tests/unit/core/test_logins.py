"""Who can log in to an image, as its plan says."""

import pytest

from imgpipe.cli.plan_text import describe
from imgpipe.logins import Login, listed
from imgpipe.passwords import Vault
from imgpipe.plan import show
from imgpipe.planning import Given, make_plan
from imgpipe.recipe import Recipe

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8x ann@desk"


@pytest.fixture
def plan_of(plugins):
    def plan(environ=None, own=None, **tables):
        vault = Vault(environ=environ or {}, salt=b"x")
        recipe = vault.with_default(Recipe.model_validate({"name": "r", "os": "rocky9", **tables}))
        return make_plan(recipe, plugins, Given(accounts=vault.accounts(recipe), own_answer_file=own))

    return plan


def test_a_plan_says_where_nobody_can_log_in(plan_of):
    plan = plan_of()
    assert plan.logins == ()
    assert plan.notes[0].startswith("Nobody can log in to this image before it is deployed: set IMGPIPE_ROOT_PASSWORD")


def test_a_plan_has_no_placeholders_of_imgpipes_own(plan_of):
    assert "inst.stage2=hd:LABEL=LABEL-OF-THE-MEDIUM " in describe(plan_of())


def test_root_with_a_password_of_the_environment_is_not_nobody(plan_of):
    plan = plan_of({"IMGPIPE_ROOT_PASSWORD": "hunter2"})
    assert plan.logins == (Login(name="root", password=True),)
    assert plan.notes[0] == "Log in to this image: root by password."
    assert show(plan)["logins"] == [{"kind": "Login", "name": "root", "password": True, "keys": 0}]


def test_keys_that_sysprep_takes_away_let_nobody_in(plan_of):
    guest = {"root": {"keys": [KEY]}, "users": [{"name": "ann", "keys": [KEY]}, {"name": "bob"}]}
    assert listed(plan_of(guest=guest).logins) == "root by 1 key, ann by 1 key"
    assert plan_of(guest=guest, sysprep={"keep_keys": False}).logins == ()


def test_windows_has_an_administrator_instead_of_root(plugins, recipes):
    recipe = Vault(environ={"IMGPIPE_ROOT_PASSWORD": "Golden-0"}, salt=b"x").with_default(recipes.load("win2016"))
    accounts = Vault(environ={"IMGPIPE_ROOT_PASSWORD": "Golden-0"}, salt=b"x").accounts(recipe, clear=True)
    plan = make_plan(recipe, plugins, Given(accounts=accounts))
    assert plan.notes[0] == "Log in to this image: the administrator by password."
