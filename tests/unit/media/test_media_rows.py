import json

import pytest

from imgpipe.errors import RecipeError
from imgpipe.media.listing import COLUMNS, check_medium, list_media
from imgpipe.recipe import MediumSource


def test_every_iso_of_the_folders_is_a_row_and_a_broken_one_says_why(rocky_iso, rocky, media, store):
    (media / "broken.iso").write_bytes(b"x" * 100)
    (media / "notes.txt").touch()
    whole, broken = list_media((media,), store, (rocky,))
    assert (whole.path, whole.systems, whole.title) == (rocky_iso, ("rocky9",), "Rocky Linux 9.6")
    assert "not an ISO 9660 medium" in broken.trouble
    assert len(whole.cells()) == len(COLUMNS)
    assert json.loads(json.dumps(whole.as_json()))["systems"] == ["rocky9"]


def test_checking_a_medium_reads_and_compares_its_digest(rocky_iso, rocky, store, events):
    row = check_medium(rocky_iso, MediumSource(), store, (rocky,), events.append)
    assert len(row.sha256) == 64
    assert not row.verified
    again = check_medium(rocky_iso, MediumSource(sha256=row.sha256), store, (rocky,), events.append)
    assert again.verified
    with pytest.raises(RecipeError, match="digest differs"):
        check_medium(rocky_iso, MediumSource(sha256="0" * 64), store, (rocky,), events.append)
