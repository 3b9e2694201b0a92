"""Keys, tickets, memberships and old passwords that must not travel with an image."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove

SSH_KEYS = "ssh-keys"
"""The operation after which no key lets anybody in."""

_SSH_OTHERS = ("/root/.ssh/*", "/home/*/.ssh/*")
_AUTHORIZED = ("/root/.ssh/authorized_keys", "/home/*/.ssh/authorized_keys")
_PASSWORD_BACKUPS = tuple(f"/etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid"))
_PASSWORD_COPIES = tuple(f"/var/backups/{name}*" for name in ("passwd", "shadow", "group", "gshadow"))
_KEYTAB = ("/etc/krb5.keytab",)
_KERBEROS = ("/var/kerberos/krb5kdc/*",)
_KERBEROS_CONFIG = ("/var/kerberos/krb5kdc/kadm5.acl", "/var/kerberos/krb5kdc/kdc.conf")
_SUBSCRIPTION: tuple[str, ...] = (
    "/etc/pki/consumer/*",
    "/etc/pki/entitlement/*",
    "/var/lib/rhsm/*",
    "/etc/sysconfig/rhn/systemid",
)
_SUBSCRIPTION += ("/etc/sysconfig/rhn/osad-auth.conf", "/etc/insights-client/machine-id")
_IPA = (
    "/etc/ipa/ca.crt",
    "/etc/ipa/default.conf",
    "/var/lib/ipa-client/pki/*",
    "/var/lib/ipa-client/sysrestore/*",
    "/etc/pki/ca-trust/source/anchors/ipa-ca.crt",
    "/etc/pki/ca-trust/source/ipa.p11-kit",
    "/usr/local/share/ca-certificates/ipa-ca.crt",
)
_SSSD = ("/var/lib/sss/db/*", "/var/lib/sss/mc/*", "/var/lib/sss/secrets/*", "/var/lib/sss/keytabs/*")
_SAMBA = ("/var/lib/samba/*", "/var/lib/samba/*/*", "/var/cache/samba/*")


def operations(*, keep_keys: bool) -> tuple[Operation, ...]:
    """Return the operations on secrets; with `keep_keys`, removing authorized keys is off by default."""
    return (
        Operation(
            name=SSH_KEYS,
            description="Remove the authorized keys of root and all users, also those that the recipe names.",
            steps=(Remove(patterns=_AUTHORIZED),),
            sealed=(Absent(patterns=_AUTHORIZED),),
            default=not keep_keys,
        ),
        *_OPERATIONS,
    )


def _removal(name: str, description: str, patterns: tuple[str, ...], keep: tuple[str, ...] = ()) -> Operation:
    return Operation(
        name=name,
        description=description,
        steps=(Remove(patterns=patterns, keep=keep),),
        sealed=(Absent(patterns=patterns, keep=keep),),
    )


def _removal_of_files(name: str, description: str, patterns: tuple[str, ...]) -> Operation:
    return Operation(
        name=name,
        description=description,
        steps=(Remove(patterns=patterns, files_only=True),),
        sealed=(Absent(patterns=patterns, files_only=True),),
    )


_OPERATIONS = (
    _removal(
        "ssh-user-files",
        "Remove private keys, known hosts and agents of root and all users; authorized keys stay.",
        _SSH_OTHERS,
        _AUTHORIZED,
    ),
    _removal(
        "password-backups",
        "Remove the copies of passwd, shadow and group that the user tools keep: they hold older password hashes.",
        (*_PASSWORD_BACKUPS, *_PASSWORD_COPIES),
    ),
    _removal("kerberos-keytab", "Remove the host's Kerberos keytab.", _KEYTAB),
    _removal("kerberos-kdc", "Remove the database of a Kerberos server; its configuration stays.", _KERBEROS,
             _KERBEROS_CONFIG),
    _removal("subscription", "Remove the registration with Red Hat's subscription services and RHN.", _SUBSCRIPTION),
    _removal("ipa-client", "Remove the membership of an IPA domain.", _IPA),
    _removal_of_files("sssd", "Remove the caches, secrets and keytabs of sssd; its folders stay.", _SSSD),
    _removal_of_files("samba", "Remove Samba's databases, machine account included; its folders stay.", _SAMBA),
)  # fmt: skip
