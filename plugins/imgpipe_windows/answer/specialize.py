"""The pass specialize: the machine's name, its network, and what serves people from afar."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe.recipe import Nic
from imgpipe_windows.answer.tree import FIREWALL, AnswerTree, item, put, under
from imgpipe_windows.answer.wishes import Wishes

_REMOTE_DESKTOP = "@FirewallAPI.dll,-28752"
"""The firewall's group by its resource: its name ('Remote Desktop') differs in every language."""


def add_specialize(tree: AnswerTree, wished: Wishes) -> None:
    """Answer what makes this machine itself."""
    commands = under(tree.component("specialize", "Deployment"), "RunSynchronous")
    for order, path in enumerate(_commands(wished), 1):
        put(item(commands, "RunSynchronousCommand"), Order=order, Path=path)
    if any(wanted.nic.dns for wanted in wished.nics):
        _add_name_servers(tree.component("specialize", "DNS-Client"), wished)
    if wished.options.remote_desktop:
        _add_remote_desktop(tree, wished)
    put(tree.component("specialize", "Security-SPP-UX"), SkipAutoActivation=True)
    if wished.release.kind == "server":
        shown = not wished.options.server_manager
        put(tree.component("specialize", "ServerManager-SvrMgrNc"), DoNotOpenServerManagerAtLogon=shown)
    shell = tree.component("specialize", "Shell-Setup")
    put(shell, ComputerName=wished.options.computer_name or "*", TimeZone=wished.zone)
    _add_addresses(tree.component("specialize", "TCPIP"), wished)


def _commands(wished: Wishes) -> tuple[str, ...]:
    told = "cmd.exe /c echo imgpipe: specialize>COM1"
    # Windows' client editions have the account switched off, and the first logon is its.
    return (told, "net.exe user Administrator /active:yes") if wished.release.kind == "client" else (told,)


def _add_remote_desktop(tree: AnswerTree, wished: Wishes) -> None:
    group = item(under(tree.component("specialize", FIREWALL), "FirewallGroups"), "FirewallGroup", "RemoteDesktop")
    put(group, Active=True, Group=_REMOTE_DESKTOP, Profile="all")
    put(tree.component("specialize", "TerminalServices-LocalSessionManager"), fDenyTSConnections=False)
    asks_first = int(wished.options.network_level_authentication)
    put(tree.component("specialize", "TerminalServices-RDP-WinStationExtensions"), UserAuthentication=asks_first)


def _add_addresses(component: ET.Element, wished: Wishes) -> None:
    interfaces = under(component, "Interfaces")
    for wanted in wished.nics:
        interface = item(interfaces, "Interface")
        put(under(interface, "Ipv4Settings"), DhcpEnabled=wanted.nic.address is None)
        put(interface, Identifier=wanted.identifier)
        if wanted.nic.address is not None:
            _add_static(interface, wanted.nic)


def _add_static(interface: ET.Element, nic: Nic) -> None:
    item(under(interface, "UnicastIpAddresses"), "IpAddress", "1").text = str(nic.address)
    if nic.gateway:
        route = item(under(interface, "Routes"), "Route")
        put(route, Identifier=1, NextHopAddress=str(nic.gateway), Prefix="0.0.0.0/0")


def _add_name_servers(component: ET.Element, wished: Wishes) -> None:
    interfaces = under(component, "Interfaces")
    for wanted in wished.nics:
        if wanted.nic.dns:
            interface = item(interfaces, "Interface")
            order = under(interface, "DNSServerSearchOrder")
            for number, server in enumerate(wanted.nic.dns, 1):
                item(order, "IpAddress", str(number)).text = str(server)
            put(interface, Identifier=wanted.identifier)
