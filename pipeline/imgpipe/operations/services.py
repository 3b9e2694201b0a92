"""State of services that belongs to one machine."""

from __future__ import annotations

from imgpipe.offline_edits import Absent, Operation, Remove, Truncate

_PEGASUS = tuple(f"/etc/Pegasus/*.{kind}" for kind in ("cnf", "crt", "csr", "pem", "srl"))
_PUPPET = ("/var/lib/puppet/*/*", "/var/lib/puppet/*/*/*", "/etc/puppetlabs/puppet/ssl/*/*")
_DOVECOT = ("/var/lib/dovecot/*",)
_PAM: tuple[str, ...] = ("/run/faillock/*", "/run/sepermit/*", "/run/console/*", "/var/lib/faillock/*")
_PAM += ("/var/run/faillock/*", "/var/run/sepermit/*", "/var/run/console/*", "/var/lib/fprint/*")
_CRASHES: tuple[str, ...] = ("/var/crash/*", "/var/spool/abrt/*", "/var/tmp/abrt/*", "/var/lib/systemd/coredump/*")  # noqa: S108
_CRASHES += ("/var/log/dump/*", "/var/lib/apport/coredump/*")
_CLOCK = ("/var/lib/chrony/*", "/var/lib/ntp/*", "/var/lib/ntpsec/*")
_TIMERS: tuple[str, ...] = ("/var/lib/systemd/timers/*", "/var/lib/logrotate/*", "/var/lib/logrotate.status")
_TIMERS += ("/var/lib/systemd/timesync/*", "/var/lib/private/systemd/timesync/*")
_POOL = ("/var/lib/private/systemd/*/*.secret", "/var/lib/systemd/rfkill/*", "/var/lib/systemd/backlight/*")


def _files(name: str, description: str, patterns: tuple[str, ...]) -> Operation:
    return Operation(
        name=name,
        description=description,
        steps=(Remove(patterns=patterns, files_only=True),),
        sealed=(Absent(patterns=patterns, files_only=True),),
    )


OPERATIONS = (
    Operation(
        name="crash-data",
        description="Remove crash dumps and reports of kdump, ABRT, apport and systemd-coredump.",
        steps=(Remove(patterns=_CRASHES),),
        sealed=(Absent(patterns=_CRASHES),),
    ),
    _files("puppet", "Remove the state and certificates of a Puppet agent; its configuration stays.", _PUPPET),
    _files("dovecot", "Remove Dovecot's run-time data: keys, parameters and instance list.", _DOVECOT),
    _files("pegasus", "Remove the certificates that tog-pegasus made for this machine.", _PEGASUS),
    _files("pam-data", "Remove counts of failed logins and console locks of PAM, and enrolled fingerprints.", _PAM),
    _files("clock-drift", "Remove the measured drift of this machine's clock.", _CLOCK),
    _files("timers", "Remove the times at which timers, log rotation and time synchronisation last ran.", _TIMERS),
    _files("hardware-state", "Remove the saved state of radios, backlights and services' own secrets.", _POOL),
    Operation(
        name="tallies",
        description="Empty the old tally files of failed logins; the files stay, for PAM wants them there.",
        steps=(Truncate(patterns=("/var/log/tallylog", "/var/log/faillog")),),
    ),
)
