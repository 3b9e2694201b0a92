"""The script in the target: nothing in a recipe can become shell."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from ubuntu_orders import order

from imgpipe.errors import RecipeError
from imgpipe_ubuntu.target import target_script

EVIL = ["$(touch /pwned)", "`touch /pwned`", "'; touch /pwned; '", "a && touch /pwned", "%s%n", "-rf"]


def lines(changes):
    return target_script(order(changes)).splitlines()


@pytest.mark.parametrize("evil", EVIL)
def test_a_sysctl_value_stays_one_word(evil):
    (line,) = (line for line in lines({"guest": {"sysctl": {"kernel.x": evil}}}) if "/etc/sysctl.d" in line)
    assert shlex.split(line) == ["put", "0644", "/etc/sysctl.d/90-imgpipe.conf", f"kernel.x = {evil}"]


@pytest.mark.parametrize("evil", [text for text in EVIL if "'" not in text])
def test_a_comment_stays_one_word(evil):
    (line,) = (line for line in lines({"guest": {"users": [{"name": "a", "comment": evil}]}}) if line[:7] == "useradd")
    assert shlex.split(line)[5] == evil


@given(st.text(st.characters(blacklist_categories=("C", "Zl", "Zp")), min_size=1, max_size=40))
def test_whatever_a_value_is_the_script_has_the_same_lines(value):
    plain = lines({"guest": {"sysctl": {"kernel.x": "1"}}})
    strange = target_script(order({"guest": {"sysctl": {"kernel.x": value}}})).split("\n")
    assert len(strange) == len(plain) + 1
    different = [(a, b) for a, b in zip(plain, strange, strict=False) if a != b]
    assert all(shlex.split(b)[-1] == f"kernel.x = {value}" for _, b in different)


@pytest.mark.parametrize("argument", ["a;reboot", "memmap=4G$12G", "a|b", "a{b}", "x&y", "a#b"])
def test_a_kernel_argument_that_grub_would_run_is_refused(argument):
    with pytest.raises(RecipeError, match="GRUB"):
        lines({"guest": {"kernel_arguments": [argument]}})


@pytest.mark.parametrize("value", ["a\nreboot", "a\x1b[2J", "a\u2028b"])
def test_a_line_break_never_gets_as_far(value):
    with pytest.raises(ValidationError):
        order({"guest": {"sysctl": {"kernel.x": value}}})


def test_the_kernels_console_and_nic_names_are_in_grubs_configuration():
    (line,) = (line for line in lines({"guest": {"kernel_arguments": ["quiet"]}}) if "/etc/default/grub.d" in line)
    assert "GRUB_CMDLINE_LINUX='console=tty0 console=ttyS0,115200n8 net.ifnames=0 biosdevname=0 quiet'" in shlex.split(
        line
    )
    bare = {"guest": {"serial_console": False, "classic_nic_names": False}}
    (line,) = (line for line in lines(bare) if "/etc/default/grub.d" in line)
    assert "GRUB_CMDLINE_LINUX=''" in shlex.split(line)


def test_root_may_log_in_by_password_if_it_has_one_and_the_recipe_says_nothing():
    root = {"root": {"password": {"env": "X"}}}
    assert any("PermitRootLogin yes" in line for line in lines({"guest": root}))
    assert not any("PermitRootLogin" in line for line in lines({}))
    chosen = {**root, "sshd": {"permitrootlogin": "no"}}
    assert not any("PermitRootLogin yes" in line for line in lines({"guest": chosen}))


def test_an_account_without_a_password_is_locked():
    assert "passwd --lock ops" in lines({"guest": {"users": [{"name": "ops"}]}})


def test_a_c_locale_is_not_generated():
    assert not any(line.startswith("locale-gen") for line in lines({"guest": {"locale": "C.UTF-8"}}))
    assert "locale-gen de_DE.UTF-8" in lines({"guest": {"locale": "de_DE.UTF-8"}})
