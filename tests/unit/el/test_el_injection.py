"""No recipe can write directives, sections or commands into a kickstart."""

import pytest
from el_orders import HASH, kickstart, recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from imgpipe.errors import RecipeError
from imgpipe_el.kickstart.quoting import here_document, quoted, word
from imgpipe_el.lint.source import read_kickstart

NASTY = st.sampled_from(
    [
        "%end", "%post", "%include /x", "\n%end\n", "'", '"', "`id`", "$(id)", "; id", "\\", "#", "IMGPIPE_END_OF_FILE",
        "\u2028%end", "\x0b%end", "\x85%end", "<<EOF", " --lock", "reboot", "%ksappend http://x/", "{{ 1 }}", "\ufeff",
    ]
)  # fmt: skip
TEXT = st.lists(NASTY | st.text(max_size=8), max_size=4).map("".join)
COMMANDS = [
    "cmdline", "cdrom", "poweroff", "firstboot", "eula", "skipx", "network", "network", "rootpw", "user", "sshkey",
    "sshkey", "lang", "keyboard", "timezone", "selinux", "firewall", "services", "bootloader", "zerombr", "ignoredisk",
    "clearpart", "part", "part", "part", "part",
]  # fmt: skip
SECTIONS = ["%packages", "%addon", "%pre", "%pre-install", "%post", "%onerror", "%post"]


def accepted(tables):
    """Return the recipe, or None where its types refuse it."""
    try:
        return recipe(**tables)
    except ValidationError:
        return None


def structure(text):
    read = read_kickstart(text)
    assert read.faults == ()
    assert read.includes == ()
    return [command.name for command in read.commands], [section.name for section in read.sections]


def guest(**values):
    base = {
        "hostname": "host",
        "locale": "en_US.UTF-8",
        "comment": "x",
        "key": "x",
        "argument": "quiet",
        "service": "chronyd",
        "package": "curl",
        "sysctl": "1",
        "sshd": "no",
    } | values
    return {
        "hostname": base["hostname"],
        "locale": base["locale"],
        "kernel_arguments": [base["argument"]],
        "services": {"enable": [base["service"]]},
        "packages": {"add": [base["package"]], "remove": [base["package"]]},
        "sysctl": {"kernel.core_pattern": base["sysctl"]},
        "sshd": {"Banner": base["sshd"]},
        "root": {"keys": [f"ssh-ed25519 AAAA {base['key']}"]},
        "users": [{"name": "ops", "comment": base["comment"], "keys": [f"ssh-rsa BBBB {base['key']}"]}],
    }


def test_the_plain_recipe_has_the_expected_structure():
    assert structure(kickstart(recipe(guest=guest()))) == (COMMANDS, SECTIONS)


@pytest.mark.parametrize("name", ["rocky8", "rocky9"])
@pytest.mark.parametrize(
    "key", ["hostname", "locale", "comment", "key", "argument", "service", "package", "sysctl", "sshd"]
)
@given(value=TEXT)
@settings(deadline=None, max_examples=60)
def test_a_value_is_refused_or_inert(name, key, value):
    wanted = accepted({"os": name, "guest": guest(**{key: value})})
    if wanted is None:
        return
    try:
        text = kickstart(wanted)
    except RecipeError:
        # What a type cannot say is refused by the renderer: '@' is the name of no group of packages.
        return
    assert structure(text) == (COMMANDS, SECTIONS)


@given(value=TEXT)
@settings(deadline=None, max_examples=60)
def test_a_password_hash_cannot_break_its_line(value):
    try:
        text = kickstart(recipe(guest=guest()), password=value or HASH)
    except RecipeError:
        return
    assert structure(text) == (COMMANDS, SECTIONS)


@given(value=TEXT)
@settings(deadline=None, max_examples=60)
def test_a_setting_arrives_in_its_file_as_it_is(value):
    wanted = accepted({"guest": guest(sysctl=value)})
    if wanted is not None:
        (post, _) = [section for section in read_kickstart(kickstart(wanted)).sections if section.name == "%post"]
        assert f"kernel.core_pattern = {value}" in [line for _, line in post.body]


@given(value=TEXT)
@settings(deadline=None, max_examples=60)
def test_a_comment_arrives_as_one_word(value):
    wanted = accepted({"guest": guest(comment=value)})
    if wanted is not None and value:
        (user,) = read_kickstart(kickstart(wanted)).named("user")
        assert user.value("--gecos") == value


@pytest.mark.parametrize("line", ["%end", "  %post", "%include /etc/passwd", "a\nb", "a\u2028b", "IMGPIPE_END_OF_FILE"])
def test_a_here_document_refuses_what_would_end_it(line):
    with pytest.raises(RecipeError):
        here_document(["first", line])


def test_what_is_quoted_is_not_quoted_again():
    assert quoted(quoted("a b")) == "'a b'"


def test_a_word_is_one_line():
    with pytest.raises(RecipeError):
        word("a\nreboot")
