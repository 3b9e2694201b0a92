"""A build is stopped by the errors of its answer file, and every one is told with its line."""

from dataclasses import replace

import pytest

from imgpipe.errors import RecipeError
from imgpipe.os_family import Account, Fault
from imgpipe.planning import Given, make_plan
from imgpipe.plugins import Plugins
from imgpipe.recipe import Recipe

HASH = "$6$saltsalt$" + "h" * 86


@pytest.fixture(scope="module")
def loaded():
    return Plugins.load()


def planned(loaded, system, text=None):
    account = Account(name="root", password_hash=HASH, password="Good-pass-1")
    given = Given(accounts={"root": account}, own_answer_file=text, mirror="http://mirror.example/debian")
    return make_plan(Recipe.model_validate({"name": "image", "os": system}), loaded, given)


@pytest.mark.parametrize(
    ("system", "text", "fault"),
    [
        ("debian13", "d-i passwd/root-password-crypted password hunter22\n", "preseed.cfg:1: "),
        ("ubuntu24.04", "#cloud-config\nautoinstall:\n  version: 1\n  locale: 3\n", "user-data:4: "),
        ("win2016", "<unattend>\n</wrong>\n", "autounattend.xml:2: "),
    ],
)
def test_an_error_in_the_operators_own_file_stops_the_build(loaded, system, text, fault):
    with pytest.raises(RecipeError) as caught:
        planned(loaded, system, text)
    assert [line for line in caught.value.details if line.lower().startswith(fault)], caught.value.details
    assert "hunter22" not in " ".join(caught.value.details)


@pytest.mark.parametrize("severity", ["error", "warning"])
def test_an_error_in_a_rendered_file_stops_it_too_and_a_warning_does_not(loaded, monkeypatch, severity):
    family, system = loaded.system("rocky9")
    found = [Fault(line=7, text="No disk is wiped.", severity=severity), Fault(line=9, text="So.", severity=severity)]
    strict = replace(family, lint=lambda *_: found)
    monkeypatch.setattr(loaded, "system", lambda _: (strict, system))
    if severity == "warning":
        assert planned(loaded, "rocky9").name == "image"
        return
    with pytest.raises(RecipeError) as caught:
        planned(loaded, "rocky9")
    assert caught.value.details == ("ks.cfg:7: No disk is wiped.", "ks.cfg:9: So.")
