"""Logs, journals and records of logins; last, because nothing may write one afterwards."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove, Truncate

_LOGINS = ("/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog")
_OLD_LOGINS: tuple[str, ...] = (
    "/var/log/wtmp?*",
    "/var/log/btmp?*",
    "/var/lib/wtmpdb/*",
    "/var/lib/lastlog/*",
    "/run/utmp",
)
_OLD_LOGINS += ("/var/run/utmp", "/var/log/account/*", "/var/account/*")
_JOURNALS = ("/var/log/journal/*", "/run/log/journal/*")
_LOGS: tuple[str, ...] = (
    "/var/log/*",
    "/var/log/*/*",
    "/var/log/*/*/*",
    "/var/named/data/named.run",
    "/var/lib/rsyslog/*",
)
_LOGS += ("/root/*.log", "/root/install.log*", "/tmp/builder.log")  # noqa: S108 (inside the image)
# Kept: emptied by others of these operations, or a link of the system's own.
_KEPT = (*_LOGINS, "/var/log/tallylog", "/var/log/faillog", "/var/log/README")

OPERATIONS = (
    Operation(
        name="journal",
        description="Remove systemd's journals; the folder stays, for it makes the journal a lasting one.",
        steps=(Remove(patterns=_JOURNALS),),
        sealed=(Absent(patterns=_JOURNALS),),
    ),
    Operation(
        name="login-records",
        description="Empty the records of logins, and remove older ones and process accounting.",
        steps=(Truncate(patterns=_LOGINS), Remove(patterns=_OLD_LOGINS)),
        sealed=(Absent(patterns=_OLD_LOGINS),),
    ),
    Operation(
        name="logs",
        description="Remove all log files, and root's of the installation; folders stay, for services need theirs.",
        steps=(Remove(patterns=_LOGS, keep=_KEPT, files_only=True),),
        sealed=(Absent(patterns=_LOGS, keep=_KEPT, files_only=True),),
    ),
)
