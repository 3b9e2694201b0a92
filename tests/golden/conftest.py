"""Golden files: what each recipe would do, written down, so that a change shows as a diff."""

import pytest

from imgpipe.passwords import Vault
from imgpipe.planning import Given, make_plan

# Not a real mirror: the host's own never gets into a file of this project.
MIRROR = "http://mirror.example/debian"
PASSWORD = "golden"
COMPLEX_PASSWORD = "Golden-0"
"""For systems that refuse a simple one."""


@pytest.fixture
def plan_of(plugins, recipes):
    def plan(name):
        recipe = recipes.load(name)
        family, _ = plugins.system(recipe.os)
        password = COMPLEX_PASSWORD if family.clear_passwords else PASSWORD
        vault = Vault(environ={"IMGPIPE_ROOT_PASSWORD": password}, salt=b"golden")
        recipe = vault.with_default(recipe)
        accounts = vault.accounts(recipe, clear=family.clear_passwords)
        return make_plan(recipe, plugins, Given(accounts=accounts, mirror=MIRROR))

    return plan
