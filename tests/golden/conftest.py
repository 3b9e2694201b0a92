"""Golden files: what each recipe would do, written down, so that a change shows as a diff."""

import pytest

from imgpipe.passwords import Vault
from imgpipe.planning import Given, make_plan

# Not a real mirror: the host's own never gets into a file of this project.
MIRROR = "http://mirror.example/debian"
ENVIRON = {"IMGPIPE_ROOT_PASSWORD": "golden"}


@pytest.fixture
def plan_of(plugins, recipes):
    def plan(name):
        vault = Vault(environ=ENVIRON, salt=b"golden")
        recipe = vault.with_default(recipes.load(name))
        accounts = vault.accounts(recipe)
        return make_plan(recipe, plugins, Given(accounts=accounts, mirror=MIRROR))

    return plan
