"""Which keyboard a name means, to XKB and to the console; the facts are those of the lists that the module names."""

import pytest

from imgpipe import keyboards
from imgpipe.keyboards import console_keymap, keyboard_fault, xkb_layout

# The name in a recipe; XKB's layout and variant, and whether it types ASCII; the console's keymap.
KNOWN = [
    ("us", ("us", "", True), "us"),
    ("uk", ("gb", "", True), "uk"),
    ("gb", ("gb", "", True), "gb"),
    ("de", ("de", "", True), "de"),
    ("de-latin1", ("de", "", True), "de-latin1"),
    ("de-nodeadkeys", ("de", "nodeadkeys", True), "de-nodeadkeys"),
    ("de-latin1-nodeadkeys", ("de", "nodeadkeys", True), "de-latin1-nodeadkeys"),
    ("jp106", ("jp", "", True), "jp106"),
    ("jp", ("jp", "", True), "jp"),
    ("sv-latin1", ("se", "", True), "sv-latin1"),
    ("se", ("se", "", True), "se"),
    ("us-acentos", ("us", "intl", True), "us-acentos"),
    ("us-altgr-intl", ("us", "altgr-intl", True), "us-altgr-intl"),
    ("dvorak", ("us", "dvorak", True), "dvorak"),
    ("fr_CH", ("ch", "fr", True), "fr_CH"),
    ("lt.l4", ("lt", "", True), "lt.l4"),
    ("ru", ("ru", "", False), "ru"),
    # The console has them by other names, as their layouts can type no ASCII.
    ("bg", ("bg", "", False), "bg_bds-utf8"),
    ("bg-phonetic", ("bg", "phonetic", False), "bg_pho-utf8"),
    ("kz", ("kz", "", False), "kazakh"),
    ("ua", ("ua", "", False), "ua-utf"),
    ("th", ("th", "", False), None),
    # Estonian to the console, Amharic to XKB.
    ("et", ("ee", "", True), "et"),
]


@pytest.mark.parametrize(("name", "layout", "keymap"), KNOWN)
def test_a_keyboard_has_a_name_in_each_name_space(name, layout, keymap):
    found = xkb_layout(name)
    assert found is not None
    assert (found.layout, found.variant, found.latin) == layout
    assert console_keymap(name) == keymap


@pytest.mark.parametrize("name", ["xx", "uk-nodeadkeys", "de-frobnicate", "de-", "-", "DE", "us,ru", "us us", "se-"])
def test_what_no_list_has_is_no_keyboard(name):
    assert xkb_layout(name) is None
    assert console_keymap(name) is None


def test_each_keymap_of_the_console_leads_to_a_layout():
    assert {keyboards.xkb_layout(name) is not None for name in keyboards._KEYMAPS} == {True}
    assert keyboards._LATIN_NAMES.isdisjoint(keyboards._NOT_LATIN.split())


@pytest.mark.parametrize(
    ("name", "console", "nearest"),
    [
        ("de-nodeadkey", False, "'de-nodeadkeys'"),
        ("sv-latin", True, "'sv-latin1'"),
        ("german", False, "'us', 'gb' and 'de'"),
        ("uk-extended", False, "'uk'"),
        # Although some countries' names are nearer.
        ("uk-nodeadkeys", False, " 'uk',"),
        ("th", True, "'us', 'gb' and 'de'"),
        ("de-frobnicate", False, "'de', 'de-"),
        ("jp-106", True, "'jp106'"),
    ],
)
def test_a_fault_names_the_value_and_the_nearest_right_ones(name, console, nearest):
    fault = keyboard_fault(name, console=console)
    assert fault.startswith("guest.keyboard: ")
    assert f"'{name}'; the nearest are " in fault
    assert nearest in fault.partition(";")[2]
    assert fault.count("'") <= 2 + 2 * 4


def test_what_a_fault_suggests_is_known_to_who_is_asked():
    for name in ("thai", "russian", "kz", "th", "bg-x"):
        for suggested in keyboard_fault(name, console=True).partition(";")[2].split("'")[1::2]:
            assert console_keymap(suggested) == suggested
