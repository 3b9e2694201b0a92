"""Which commands a script has, and which of them are certain to run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgpipe.shell_scripts import is_shell, shell_commands


def commands(script):
    return [(found.line, found.text, found.certain) for found in shell_commands(script)]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("FOO=bar /usr/sbin/reboot -f", [(1, "reboot -f", True)]),
        ("sudo -n env A=b reboot", [(1, "reboot", True)]),
        ("a \\\n  b\nc", [(1, "a b", True), (3, "c", True)]),
        ('echo \'x y\' "a\\"b" c\\ d', [(1, 'echo x\x1fy a"b c\x1fd', True)]),
        ("a >/etc/x 2>&1 | b >> y", [(1, "a >/etc/x >1", True), (1, "b >y", True)]),
        ("cat <<'a b' >/x\nreboot\na b\nhalt", [(1, "cat >/x", True), (4, "halt", True)]),
        ("cat <<-EOF\n\treboot\n\tEOF", [(1, "cat", True)]),
        ("n=$((1<<2))\nhalt", [(2, "halt", True)]),
        ("case $1 in reboot|halt) a ;; esac", [(1, "a", False)]),
        ("f() { halt; }\nf", [(1, "halt", False)]),
        ("if a; then b; else c; fi", [(1, "a", True), (1, "b", False), (1, "c", False)]),
        ("a && b || c", [(1, "a", True), (1, "b", False), (1, "c", False)]),
        ("for x in reboot; do a; done", [(1, "a", False)]),
        ("(a)\n{ b; }\n! c &", [(1, "a", True), (2, "b", True), (3, "c", True)]),
        ("x=$(a)\necho `b`", [(1, "a", True), (2, "echo `b`", True), (2, "b", True)]),
        ("exit\na", [(1, "exit", True), (2, "a", False)]),
        ("sh -ec 'a; b'", [(1, "sh -ec a;\x1fb", True), (1, "a", True), (1, "b", True)]),
        ("# reboot\nA=(reboot halt)", []),
    ],
)
def test_the_commands_of_a_script_are_what_a_shell_runs(script, found):
    assert commands(script) == found


def test_what_comes_after_something_unreadable_is_not_certain():
    found = commands("a\ncat <<A <<B\nx\nA\ny\nB\nb")
    assert (found[0], found[-1]) == ((1, "a", True), (7, "b", False))


def test_a_command_knows_what_runs_it():
    (outer, inner) = shell_commands("chroot /target sh -c 'systemctl start x'")
    assert (outer.within, inner.within) == ((), ("chroot", "/target"))
    assert outer.after("chroot", "/target").words[0] == "sh"
    assert inner.after("chroot", "/target") == inner


@pytest.mark.parametrize(
    ("path", "shell"), [("/bin/sh", True), ("/usr/bin/bash -x", True), ("/usr/bin/python3", False), ("", False)]
)
def test_shells_are_known_by_their_names(path, shell):
    assert is_shell(path) == shell


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=200)
    | st.lists(st.sampled_from(["<<A", "\n", "A", "$((", "))", "'", "(", "if ", "sh -c "])).map("".join)
)
def test_any_text_is_read(text):
    assert all(command.words and command.line >= 1 for command in shell_commands(text))


def test_a_script_that_is_nested_deeply_is_read():
    assert shell_commands("(" * 2000 + "a" + ")" * 2000) is not None
    assert shell_commands("$(" * 500 + "a" + ")" * 500) is not None
