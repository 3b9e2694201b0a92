"""Which passes a component of Windows may be configured in, by Microsoft's Unattended Windows Setup Reference.

The components are those that answer files of virtual machines use; of others no more is said than that.
"""

from __future__ import annotations

from imgpipe_windows.answer.tree import FIREWALL

_WINDOWS = "Microsoft-Windows-"
_TABLE = {
    "Deployment": "generalize specialize auditSystem auditUser oobeSystem",
    "DNS-Client": "specialize",
    "ErrorReportingCore": "specialize",
    "IE-ESC": "specialize",
    "IE-InternetExplorer": "specialize",
    "International-Core": "specialize oobeSystem",
    "International-Core-WinPE": "windowsPE",
    "LUA-Settings": "offlineServicing",
    "NetBT": "specialize",
    "OutOfBoxExperience": "generalize specialize",
    "PnpCustomizationsNonWinPE": "offlineServicing auditSystem",
    "PnpCustomizationsWinPE": "windowsPE",
    "PnpSysprep": "generalize specialize",
    "PowerCPL": "generalize specialize",
    "RemoteAssistance-Exe": "specialize",
    "SecureStartup-FilterDriver": "offlineServicing specialize auditSystem oobeSystem",
    "Security-SPP": "generalize",
    "Security-SPP-UX": "specialize",
    "ServerManager-SvrMgrNc": "generalize specialize",
    "Setup": "windowsPE",
    "Shell-Setup": "offlineServicing windowsPE generalize specialize auditSystem auditUser oobeSystem",
    "SQMAPI": "specialize",
    "SystemRestore-Main": "specialize",
    "TCPIP": "windowsPE specialize",
    "TerminalServices-LocalSessionManager": "offlineServicing generalize specialize",
    "TerminalServices-RDP-WinStationExtensions": "generalize specialize",
    "TerminalServices-RemoteConnectionManager": "offlineServicing generalize specialize",
    "UnattendedJoin": "offlineServicing specialize",
    "WinRE-RecoveryAgent": "oobeSystem",
}
ALLOWED = {f"{_WINDOWS}{name}": tuple(passes.split()) for name, passes in _TABLE.items()} | {
    FIREWALL: ("specialize",),
    "Security-Malware-Windows-Defender": ("offlineServicing", "specialize", "oobeSystem"),
}
SERVER_ONLY = (f"{_WINDOWS}ServerManager-SvrMgrNc", f"{_WINDOWS}IE-ESC")


def component_name(short: str) -> str:
    """Return a component's whole name."""
    return f"{_WINDOWS}{short}"
