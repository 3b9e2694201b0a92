import pytest

from imgpipe.errors import HostError
from imgpipe.host.nic_names.grub_defaults import arguments, value_of, with_arguments, without_arguments

ADDED = "net.ifnames=0 biosdevname=0"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('GRUB_CMDLINE_LINUX=""\n', f'GRUB_CMDLINE_LINUX="{ADDED}"\n'),
        ("GRUB_CMDLINE_LINUX='quiet'\n", f"GRUB_CMDLINE_LINUX='quiet {ADDED}'\n"),
        ("GRUB_CMDLINE_LINUX=quiet\n", f'GRUB_CMDLINE_LINUX="quiet {ADDED}"\n'),
        ('  export GRUB_CMDLINE_LINUX="a"  # why\n', f'  export GRUB_CMDLINE_LINUX="a {ADDED}"  # why\n'),
        ("GRUB_TIMEOUT=5", f'GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="{ADDED}"\n'),
        ("", f'GRUB_CMDLINE_LINUX="{ADDED}"\n'),
        ('#GRUB_CMDLINE_LINUX="x"\n', f'#GRUB_CMDLINE_LINUX="x"\nGRUB_CMDLINE_LINUX="{ADDED}"\n'),
        ('GRUB_CMDLINE_LINUX="net.ifnames=1 a"\n', f'GRUB_CMDLINE_LINUX="a {ADDED}"\n'),
        ('GRUB_CMDLINE_LINUX="a \\"b\\""\n', f'GRUB_CMDLINE_LINUX="a \\"b\\" {ADDED}"\n'),
    ],
)
def test_the_arguments_are_added_as_the_line_is_written(before, after):
    assert with_arguments(before) == after
    assert with_arguments(after) == after


def test_the_last_assignment_counts_and_the_default_one_is_another_variable():
    text = 'GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX_DEFAULT="b"\nGRUB_CMDLINE_LINUX="c"\n'
    assert arguments(text) == ("c",)
    assert with_arguments(text) == text.replace('"c"', f'"c {ADDED}"')


def test_only_the_words_that_are_named_go():
    text = f'GRUB_CMDLINE_LINUX="a {ADDED} b"\n'
    assert without_arguments(text, ("biosdevname=0",)) == 'GRUB_CMDLINE_LINUX="a net.ifnames=0 b"\n'
    assert without_arguments(text, ("x",)) == text


@pytest.mark.parametrize(
    "text",
    ['GRUB_CMDLINE_LINUX="a \\\nb"\n', 'GRUB_CMDLINE_LINUX="a"$MORE\n', 'GRUB_CMDLINE_LINUX+=" a"\n'],
)
def test_what_is_written_in_another_way_is_refused(text):
    with pytest.raises(HostError, match="does not change") as caught:
        with_arguments(text)
    assert ADDED in caught.value.hint


def test_other_variables_are_read_without_their_quotes():
    assert value_of('GRUB_ENABLE_BLSCFG="true"\n#GRUB_ENABLE_BLSCFG=false\n', "GRUB_ENABLE_BLSCFG") == "true"
    assert value_of("", "GRUB_ENABLE_BLSCFG") == ""
