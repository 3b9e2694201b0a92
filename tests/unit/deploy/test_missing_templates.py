"""What is said where a template is a disk that is not there."""

import pytest

from imgpipe.deploy.fleet_files import Flags, fleet_of_flags
from imgpipe.deploy.templates import load_templates
from imgpipe.errors import RecipeError


def test_a_disk_that_is_not_there_is_not_told_how_disks_are_written(store, tmp_path):
    path = tmp_path / "vm001.qcow2"

    def foreign(disk):
        raise RecipeError(f"There is no disk image '{disk}'.", hint="Only files can be imported.")

    with pytest.raises(RecipeError, match=f"There is no disk image '{path}'") as caught:
        load_templates(fleet_of_flags(Flags(template=str(path), name="web")), (), store, foreign)
    assert caught.value.hint == "Name a disk that is there: a qcow2 or raw file."
