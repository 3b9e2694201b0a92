"""Control files: paragraphs, relations and what a set of packages needs."""

from imgpipe_debian import control

INDEX = control.packages("""\
Package: partman
Depends: libparted (>= 3.6), disk-tool | other-tool, debconf, virtual-thing
Description: partition
 more text
 .
 and more

Package: libparted
Depends: libc

Package: disk-tool
Depends: partman


Package: libc
""")


def test_folded_lines_belong_to_their_field():
    assert INDEX["partman"]["description"].splitlines() == ["partition", "more text", ".", "and more"]


def test_relations_keep_alternatives_and_lose_versions():
    assert control.names("a (>= 1), b | c (<< 2),\n d") == [["a"], ["b", "c"], ["d"]]


def test_a_closure_ends_in_a_circle_and_leaves_out_what_is_there():
    assert control.closure(["partman"], INDEX, {"debconf"}) == ["partman", "libparted", "disk-tool", "libc"]


def test_an_alternative_that_is_there_is_enough():
    assert "disk-tool" not in control.closure(["partman"], INDEX, {"other-tool"})
