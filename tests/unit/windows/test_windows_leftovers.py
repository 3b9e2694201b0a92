"""What is removed of a Windows disk, and what stays."""

from imgpipe.offline_edits import Absent, Remove
from imgpipe_windows.clones import PANTHER_FILE
from imgpipe_windows.leftovers import operations
from imgpipe_windows.proof import MARKER, SEALING


def patterns(chosen):
    return [pattern for one in chosen for step in one.steps if isinstance(step, Remove) for pattern in step.patterns]


def test_every_removal_is_asserted_afterwards():
    for one in operations():
        (step,), (claim,) = one.steps, one.sealed
        assert isinstance(claim, Absent)
        assert (step.patterns, step.keep) == (claim.patterns, claim.keep)


def test_no_copy_of_the_answer_file_stays_but_cloudbase_inits_own():
    assert PANTHER_FILE in patterns(operations())
    assert PANTHER_FILE not in patterns(operations(cloudbase_init=True))


def test_the_marker_stays_because_the_disk_is_judged_again():
    (scripts,) = [one for one in operations() if one.name == "windows-scripts"]
    assert scripts.steps[0].keep == (MARKER,)
    assert MARKER in SEALING.files


def test_names_are_unlike_those_of_the_core():
    names = [one.name for one in operations()]
    assert len(names) == len(set(names))
    assert all(name.startswith("windows-") for name in names)
