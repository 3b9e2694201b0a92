"""What people and scheduled jobs left behind."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove

_HOMES = ("/root", "/home/*")
_HISTORIES = tuple(
    f"{home}/{name}"
    for home in _HOMES
    for name in (
        ".bash_history", ".zsh_history", ".zhistory", ".histfile", ".ash_history", ".python_history", ".lesshst",
        ".viminfo", ".mysql_history", ".psql_history", ".sqlite_history", ".wget-hsts",
        ".local/share/fish/fish_history",
    )
)  # fmt: skip
_TEMPORARY = tuple(f"{folder}/{names}" for folder in ("/tmp", "/var/tmp") for names in ("*", ".[!.]*", "..?*"))  # noqa: S108
_MAIL = ("/var/spool/mail/*", "/var/mail/*")
_JOBS: tuple[str, ...] = (
    "/var/spool/cron/*",
    "/var/spool/cron/*/*",
    "/var/spool/at/*",
    "/var/spool/at/*/*",
    "/var/spool/at/.SEQ",
)
_JOBS += ("/var/spool/atjobs/*", "/var/spool/atjobs/.SEQ", "/var/spool/atspool/*", "/var/spool/cron/atjobs/.SEQ")
_BACKUPS = tuple(
    f"{folder}/{names}" for folder in ("/etc", "/etc/*", *_HOMES) for names in ("*~", "#*#", ".#*", "*.bak")
)
_CACHES = ("/var/cache/fontconfig/*", "/var/cache/man/*", "/var/cache/gdm/*", "/root/.cache/*", "/home/*/.cache/*")
_ACCOUNTS = ("/var/lib/AccountsService/users/*", "/var/lib/AccountService/users/*")


OPERATIONS = (
    Operation(
        name="shell-histories",
        description="Remove the command histories of root and all users, of shells and other programs.",
        steps=(Remove(patterns=_HISTORIES),),
        sealed=(Absent(patterns=_HISTORIES),),
    ),
    Operation(
        name="mail-spool",
        description="Remove the local mail of root and all users.",
        steps=(Remove(patterns=_MAIL, files_only=True),),
        sealed=(Absent(patterns=_MAIL, files_only=True),),
    ),
    Operation(
        name="cron-spool",
        description="Remove the cron tables and at jobs of users; jobs in /etc stay.",
        steps=(Remove(patterns=_JOBS, files_only=True),),
        sealed=(Absent(patterns=_JOBS, files_only=True),),
    ),
    Operation(
        name="tmp-files",
        description="Remove everything in /tmp and /var/tmp.",
        steps=(Remove(patterns=_TEMPORARY),),
        sealed=(Absent(patterns=_TEMPORARY),),
    ),
    Operation(
        name="editor-backups",
        description="Remove backups that editors made in /etc and in home folders.",
        steps=(Remove(patterns=_BACKUPS, files_only=True),),
        sealed=(Absent(patterns=_BACKUPS, files_only=True),),
    ),
    Operation(
        name="user-caches",
        description="Remove caches that are made again on demand: of users, fonts, manual pages and the greeter.",
        steps=(
            Remove(patterns=(*_CACHES, *_ACCOUNTS), files_only=True),
            Remove(patterns=("/root/.cache", "/home/*/.cache")),
        ),
        sealed=(Absent(patterns=(*_CACHES, *_ACCOUNTS), files_only=True),),
    ),
)
