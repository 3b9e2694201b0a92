"""docs/import-and-clone.md names the operations that clear a clone."""

import re

from imgpipe.deploy.foreign import _OPERATIONS
from imgpipe.operations import CORE
from imgpipe.settings import checkout

TEXT = (checkout() / "docs" / "import-and-clone.md").read_text(encoding="utf-8")


def test_the_operations_of_a_clone_are_all_named_and_no_other_is():
    part = TEXT.partition("## What is removed from a clone")[2].partition("\n## ")[0]
    known = {operation.name for operation in CORE}
    assert {name for name in re.findall(r"`([a-z-]+)`", part) if name in known} == set(_OPERATIONS)


def test_authorized_keys_stay_unless_an_operation_that_is_off_is_asked_for():
    (keys,) = (operation for operation in CORE if operation.name == "ssh-keys")
    assert not keys.default
    assert "`ssh-keys`, which is off" in TEXT
