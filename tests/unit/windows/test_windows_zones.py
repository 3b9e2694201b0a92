import zoneinfo

import pytest

from imgpipe.errors import RecipeError
from imgpipe_windows.zones import windows_zone


@pytest.mark.parametrize(
    ("iana", "windows"),
    [
        ("Asia/Shanghai", "China Standard Time"),
        ("Asia/Chongqing", "China Standard Time"),
        ("UTC", "UTC"),
        ("Europe/Berlin", "W. Europe Standard Time"),
        ("America/New_York", "Eastern Standard Time"),
    ],
)
def test_a_zone_has_the_name_that_windows_gives_it(iana, windows):
    assert windows_zone(iana) == windows


def test_nearly_every_zone_of_this_host_is_known():
    odd = ("posix", "right", "Factory", "localtime", "posixrules", "SystemV")
    zones = {zone for zone in zoneinfo.available_timezones() if not zone.startswith(odd)}
    unknown = set()
    for zone in zones:
        try:
            windows_zone(zone)
        except RecipeError:
            unknown.add(zone)
    assert len(zones) > 400
    assert len(unknown) < len(zones) / 50, sorted(unknown)
