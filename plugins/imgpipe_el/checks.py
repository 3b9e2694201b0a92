"""What the booted image must show beyond the core's checks; run in the guest, as root, by /bin/sh."""

from __future__ import annotations

from collections.abc import Iterator

from imgpipe.os_family import Check
from imgpipe.recipe import Recipe


def checks(recipe: Recipe) -> Iterator[Check]:
    """Yield what is particular about this family: systemd's limits, the clock, NetworkManager's habits."""
    yield Check(name="hardware clock in UTC", script="! grep -qs '^LOCAL' /etc/adjtime")
    for key, limit in recipe.guest.limits.model_dump().items():
        if limit is not None:
            script = f'[ "$(systemctl show --property=DefaultLimit{key.upper()} --value)" = {limit} ]'
            yield Check(name=f"limit '{key}'", script=script)
    yield Check(
        name="no connection made up by NetworkManager",
        script="! nmcli --terse --fields NAME connection show | grep -q '^Wired connection'",
    )
