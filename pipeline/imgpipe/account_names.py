"""Names that the installers of Debian and Ubuntu do not give to a user: both have the list of user-setup.

Only what every system of theirs has is here; the list has names of rare packages as well.
"""

RESERVED = frozenset(
    {
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
        *("backup", "list", "irc", "gnats", "nobody", "adm", "tty", "disk", "kmem", "dialout", "fax", "voice", "cdrom"),
        *("floppy", "tape", "sudo", "audio", "dip", "operator", "src", "shadow", "utmp", "video", "sasl", "plugdev"),
        *("staff", "users", "nogroup", "admin"),
    }
)
