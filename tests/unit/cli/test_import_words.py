"""What an import says that was given neither a disk nor a machine, or both."""

import pytest

from imgpipe.cli.importing import ImportOptions, _import_image
from imgpipe.errors import RecipeError


@pytest.mark.parametrize(
    ("words", "written"),
    [
        ({"name": "old-web"}, "imgpipe import old-web --disk vm001.qcow2"),
        ({"name": "old-web", "disk": "x.qcow2", "domain": "x"}, "imgpipe import old-web --disk vm001.qcow2"),
        ({"name": "web.qcow2"}, "imgpipe import web --disk web.qcow2"),
        ({"name": "/srv/old/web.img"}, "imgpipe import web --disk /srv/old/web.img"),
    ],
)
def test_an_import_of_nothing_is_told_how_it_is_written(words, written):
    with pytest.raises(RecipeError, match="either '--disk' or '--domain'") as caught:
        _import_image(ImportOptions(**words))
    assert caught.value.hint.startswith(f"Such as '{written}', or 'imgpipe import ")
