"""A clone's own answer file: who it is, written to the folder where Windows looks before any CD, or on a CD.

Names and order of the settings are those of Microsoft's unattended setup reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

from imgpipe.deploy.wanted import Identity, WantedNic
from imgpipe.errors import RecipeError
from imgpipe.offline_edits import Step, WriteFile
from imgpipe.os_family import Personalise
from imgpipe_windows import computer_names
from imgpipe_windows.answer.password import ADMINISTRATOR, encoded, weaknesses

PANTHER_FILE = "/Windows/Panther/unattend.xml"
CD_FILE = "/Unattend.xml"
"""The name that Windows looks for in the roots of CDs, by their letters, for the passes after windowsPE."""
UNATTEND = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
LANGUAGE = "language"
INPUT_LOCALE = "input-locale"
REMOTE_DESKTOP = "remote-desktop"
TIME_ZONE = "time-zone"
ARCHITECTURE = "architecture"
OLD_WIZARD = "old-wizard"
ENABLE_ADMINISTRATOR = "enable-administrator"
"""Keys of `Personalise.settings`. INPUT_LOCALE is LANGUAGE where it is missing; REMOTE_DESKTOP is there where it is
wanted, '1' with network level authentication, else '0'; the last two are 'yes' before Windows 8, and on clients."""

_FIREWALL = "Networking-MPSSVC-Svc"
"""The one component whose name has nothing before it."""
_REMOTE_DESKTOP_RULES = "@FirewallAPI.dll,-28752"
"""The firewall's group by its resource; its name is translated."""
_TOKEN = "31bf3856ad364e35"  # noqa: S105 (Microsoft's public key token)


def personalise_files(identity: Identity, personalise: Personalise) -> tuple[Step, ...]:
    """Return the file that tells a clone who it is; raises RecipeError, a fault each detail, if it must not."""
    faults = [*computer_names.faults(computer_names.of_host(identity.hostname)), *_password_faults(identity.password)]
    if faults:
        raise RecipeError("Windows would refuse what this machine shall be told.", details=faults)
    path = CD_FILE if personalise.way == "unattend-cd" else PANTHER_FILE
    return (WriteFile(path=path, content=answer_file(identity, dict(personalise.settings)), mode=0o600),)


def _password_faults(password: str) -> Iterator[str]:
    """Yield why a server would not take the administrator's password, and so wait at its first boot for ever."""
    if not password:
        yield "root.password: is missing; Windows would ask for the administrator's at the first boot"
        return
    yield from (f"root.password: {fault}" for fault in weaknesses(password))


def answer_file(identity: Identity, settings: Mapping[str, str]) -> str:
    """Return the answer file of one clone, for the passes that run at its first boot: specialize and oobeSystem."""
    architecture = settings.get(ARCHITECTURE, "amd64")
    root = ET.Element("unattend", {"xmlns": UNATTEND, "xmlns:wcm": WCM})
    specialize = ET.SubElement(root, "settings", {"pass": "specialize"})
    _shell_setup(_component(specialize, "Shell-Setup", architecture), identity, settings)
    _deployment(_component(specialize, "Deployment", architecture), settings)
    static = [nic for nic in identity.nics if nic.address]
    if static:
        _addresses(_component(specialize, "TCPIP", architecture), static)
    domain = identity.hostname.partition(".")[2]
    if domain or any(nic.dns for nic in static):
        _name_servers(_component(specialize, "DNS-Client", architecture), static, domain)
    if REMOTE_DESKTOP in settings:
        _remote_desktop(specialize, architecture, settings[REMOTE_DESKTOP])
    oobe = ET.SubElement(root, "settings", {"pass": "oobeSystem"})
    if language := settings.get(LANGUAGE):
        _locale(_component(oobe, "International-Core", architecture), language, settings.get(INPUT_LOCALE, language))
    _wizard(_component(oobe, "Shell-Setup", architecture), identity, settings)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _component(settings: ET.Element, name: str, architecture: str) -> ET.Element:
    attributes = {
        "name": name if name == _FIREWALL else f"Microsoft-Windows-{name}",
        "processorArchitecture": architecture,
        "publicKeyToken": _TOKEN,
        "language": "neutral",
        "versionScope": "nonSxS",
    }
    return ET.SubElement(settings, "component", attributes)


def _put(parent: ET.Element, name: str, text: str = "") -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = text or None
    return element


def _item(parent: ET.Element, name: str, text: str = "", key: str = "") -> ET.Element:
    """Add to a list; Setup tells the items of some lists apart by a key."""
    element = _put(parent, name, text)
    element.set("wcm:action", "add")
    if key:
        element.set("wcm:keyValue", key)
    return element


def _shell_setup(component: ET.Element, identity: Identity, settings: Mapping[str, str]) -> None:
    _put(component, "ComputerName", computer_names.of_host(identity.hostname))
    if zone := settings.get(TIME_ZONE):
        _put(component, "TimeZone", zone)


def _deployment(component: ET.Element, settings: Mapping[str, str]) -> None:
    # The disk may be larger than the template's.
    _put(_put(component, "ExtendOSPartition"), "Extend", "true")
    if settings.get(ENABLE_ADMINISTRATOR):
        command = _item(_put(component, "RunSynchronous"), "RunSynchronousCommand")
        _put(command, "Order", "1")
        _put(command, "Path", "net user Administrator /active:yes")


def _addresses(component: ET.Element, nics: list[WantedNic]) -> None:
    interfaces = _put(component, "Interfaces")
    for nic in nics:
        interface = _item(interfaces, "Interface")
        _put(_put(interface, "Ipv4Settings"), "DhcpEnabled", "false")
        _put(interface, "Identifier", _mac(nic))
        _item(_put(interface, "UnicastIpAddresses"), "IpAddress", str(nic.address), key="1")
        if nic.gateway:
            route = _item(_put(interface, "Routes"), "Route")
            _put(route, "Identifier", "0")
            _put(route, "Prefix", "0.0.0.0/0")
            _put(route, "NextHopAddress", str(nic.gateway))


def _name_servers(component: ET.Element, nics: list[WantedNic], domain: str) -> None:
    if domain:
        _put(component, "DNSDomain", domain)
    with_servers = [nic for nic in nics if nic.dns]
    if not with_servers:
        return
    interfaces = _put(component, "Interfaces")
    for nic in with_servers:
        interface = _item(interfaces, "Interface")
        _put(interface, "Identifier", _mac(nic))
        servers = _put(interface, "DNSServerSearchOrder")
        for number, server in enumerate(nic.dns, 1):
            _item(servers, "IpAddress", str(server), key=str(number))


def _mac(nic: WantedNic) -> str:
    """Return what names an interface whatever Windows calls it: aliases are translated, and count ghost devices."""
    return nic.mac.upper().replace(":", "-")


def _remote_desktop(specialize: ET.Element, architecture: str, asks_first: str) -> None:
    groups = _put(_component(specialize, _FIREWALL, architecture), "FirewallGroups")
    group = _item(groups, "FirewallGroup", key="RemoteDesktop")
    _put(group, "Active", "true")
    _put(group, "Group", _REMOTE_DESKTOP_RULES)
    _put(group, "Profile", "all")
    _put(_component(specialize, "TerminalServices-LocalSessionManager", architecture), "fDenyTSConnections", "false")
    _put(
        _component(specialize, "TerminalServices-RDP-WinStationExtensions", architecture),
        "UserAuthentication",
        asks_first,
    )


def _locale(component: ET.Element, language: str, keyboard: str) -> None:
    _put(component, "InputLocale", keyboard)
    for name in ("SystemLocale", "UILanguage", "UserLocale"):
        _put(component, name, language)


def _wizard(component: ET.Element, identity: Identity, settings: Mapping[str, str]) -> None:
    wizard = _put(component, "OOBE")
    _put(wizard, "HideEULAPage", "true")
    if not settings.get(OLD_WIZARD):
        for page in ("HideLocalAccountScreen", "HideOEMRegistrationScreen", "HideOnlineAccountScreens"):
            _put(wizard, page, "true")
    _put(wizard, "HideWirelessSetupInOOBE", "true")
    _put(wizard, "NetworkLocation", "Work")
    _put(wizard, "ProtectYourPC", "3")
    password = _put(_put(component, "UserAccounts"), "AdministratorPassword")
    _put(password, "Value", encoded(identity.password, ADMINISTRATOR))
    _put(password, "PlainText", "false")
