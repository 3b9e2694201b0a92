"""The pass oobeSystem: no wizard, the administrator, and the first logon that finishes the work."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from imgpipe_windows.answer.password import ADMINISTRATOR, ANY_OTHER, encoded
from imgpipe_windows.answer.tree import AnswerTree, item, put, under
from imgpipe_windows.answer.windows_pe import put_languages
from imgpipe_windows.answer.wishes import Wishes
from imgpipe_windows.scripts import FOLDER, MARKER

_LETTERS = "D E F G H I J K"
# The CD is found by what is in its root: its letter differs between Setup and Windows, and between releases.
FETCH = f"cmd.exe /c for %d in ({_LETTERS}) do if exist %d:\\{MARKER} xcopy.exe %d:\\imgpipe {FOLDER} /E /I /H /R /Y"
RUN = f"cmd.exe /c {FOLDER}\\first-logon.cmd"


def add_oobe(tree: AnswerTree, wished: Wishes) -> None:
    """Answer the wizard that Windows shows at its first start, and log on once to finish."""
    put_languages(tree.component("oobeSystem", "International-Core"), wished)
    shell = tree.component("oobeSystem", "Shell-Setup")
    logon = under(shell, "AutoLogon")
    put(logon, Enabled=True, LogonCount=1)
    _add_password(logon, "Password", encoded(wished.password, ANY_OTHER))
    put(logon, Username="Administrator")
    commands = under(shell, "FirstLogonCommands")
    for order, (line, what) in enumerate(((FETCH, "copy the scripts"), (RUN, "drivers, agent, sysprep")), 1):
        put(item(commands, "SynchronousCommand"), CommandLine=line, Description=what, Order=order)
    _add_wizard(under(shell, "OOBE"), wished)
    _add_password(under(shell, "UserAccounts"), "AdministratorPassword", encoded(wished.password, ADMINISTRATOR))


def _add_password(parent: ET.Element, name: str, value: str) -> None:
    put(under(parent, name), Value=value, PlainText=False)


def _add_wizard(wizard: ET.Element, wished: Wishes) -> None:
    put(wizard, HideEULAPage=True)
    if not wished.release.is_old:
        put(wizard, HideLocalAccountScreen=True, HideOEMRegistrationScreen=True, HideOnlineAccountScreens=True)
    put(wizard, HideWirelessSetupInOOBE=True, NetworkLocation="Work", ProtectYourPC=3)
