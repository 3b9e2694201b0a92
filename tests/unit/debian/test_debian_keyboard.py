"""The keyboard of a recipe is the one that debian-installer's keyboard-configuration knows."""

import pytest

from imgpipe.errors import RecipeError
from imgpipe.recipe import Recipe
from imgpipe.testing import order_of
from imgpipe_debian import preseed
from imgpipe_debian.prepare import preseed_settings


def rendered(plugins, keyboard, system="debian13", **guest):
    (family,) = [family for family in plugins.families if family.name == "debian"]
    (found,) = [known for known in family.systems if known.name == system]
    recipe = Recipe.model_validate({"name": "r", "os": system, "guest": {"keyboard": keyboard, **guest}})
    return preseed.render(preseed_settings(order_of(family, found, recipe))).splitlines()


@pytest.mark.parametrize("system", ["debian12", "debian13"])
@pytest.mark.parametrize(
    ("keyboard", "keymap"),
    [
        ("us", "us"),
        ("uk", "gb"),
        ("de-latin1", "de"),
        ("de-nodeadkeys", "de(nodeadkeys)"),
        ("jp106", "jp"),
        ("sv-latin1", "se"),
        ("fr_CH", "ch(fr)"),
        ("ru", "ru"),
        ("us-altgr-intl", "us(altgr-intl)"),
    ],
)
def test_the_keyboard_is_xkbs_with_its_variant_in_parentheses(plugins, system, keyboard, keymap):
    line = f"d-i keyboard-configuration/xkb-keymap select {keymap}"
    assert line in rendered(plugins, keyboard, system)


def test_a_keyboard_that_the_installer_has_not_is_refused_with_all_other_faults(plugins):
    with pytest.raises(RecipeError) as refused:
        rendered(plugins, "uk-extended", firewall=True)
    assert len(refused.value.details) == 2
    assert "knows no XKB layout 'uk-extended'; the nearest are 'uk'" in refused.value.details[1]
