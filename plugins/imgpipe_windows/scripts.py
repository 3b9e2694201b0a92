r"""The scripts of the first logon: pure cmd.exe, because Windows Server 2008 R2 has nothing newer that is the same.

They report on the first serial port, `imgpipe: PHASE`, and leave `C:\imgpipe\sealed.json` with every exit code.
"""

from __future__ import annotations

from imgpipe_windows.drivers import AGENT, CERTIFICATE, drivers
from imgpipe_windows.systems import Release

FOLDER = r"C:\imgpipe"
MARKER = "imgpipe.id"
SEALED = rf"{FOLDER}\sealed.json"
_FINE = (0, 259, 3010)
"""Done; done, with no device of its kind in the machine (pnputil); done, and a restart is wanted (msiexec, pnputil)."""
_WAIT_SECONDS = 1200

_CHECK = "\n".join(f'if "%code%"=="{code}" exit /b 0' for code in _FINE)


def drivers_script(release: Release) -> str:
    """Return what installs the drivers that Setup did not, one by one."""
    calls = "\n".join(f"call :driver {each.name} {each.inf}" for each in drivers(release) if not each.in_setup)
    return _crlf(f"""\
@echo off
setlocal EnableExtensions
set "found="
{calls}
>{FOLDER}\\drivers.part echo %found%
>{FOLDER}\\drivers.done echo done
exit /b 0

:driver
>COM1 echo imgpipe: driver %1
pnputil.exe -i -a {FOLDER}\\drivers\\%1\\%2 >>{FOLDER}\\drivers.log 2>&1
set "code=%errorlevel%"
if defined found set "found=%found%, "
set "found=%found%{{"name": "%1", "exit": %code%}}"
{_CHECK}
>{FOLDER}\\failed echo driver %1 %code%
exit /b 1
""")


def first_logon_script(release: Release, *, agent: bool, for_cds: bool = False) -> str:
    """Return what finishes the system at its first logon and has it generalize itself; the last act is sysprep.

    With `for_cds`, it forgets the answer file that the registry names too: clones bring theirs on a CD.
    """
    mode = "" if release.is_old else " /mode:vm"
    return _crlf(f"""\
@echo off
setlocal EnableExtensions
cd /d {FOLDER}
mode.com COM1: BAUD=115200 PARITY=n DATA=8 STOP=1 >nul 2>&1
>COM1 echo imgpipe: first-logon
set "steps="
{_DRIVERS_AS_SYSTEM if release.own_publisher else _DRIVERS}
if exist {FOLDER}\\failed goto failed
set /p drivers=<{FOLDER}\\drivers.part
{_BALLOON}
{_AGENT if agent else "rem no guest agent"}
call :step hibernation powercfg.exe /h off
if exist {FOLDER}\\failed goto failed
{_APPS if not release.is_old else "rem no packaged applications"}
>{SEALED} echo {{"imgpipe": 1, "system": "{release.system.name}", "drivers": [%drivers%], "steps": [%steps%]}}
{_CLEAN}{_FORGET if for_cds else ""}
>COM1 echo imgpipe: sysprep
start "" /wait %SystemRoot%\\System32\\Sysprep\\sysprep.exe /generalize /oobe /shutdown /quiet{mode}
set "code=%errorlevel%"
if "%code%"=="0" exit /b 0
>{FOLDER}\\failed echo sysprep %code%

{_END}
""")


_DRIVERS = rf"call {FOLDER}\drivers.cmd"

# Windows asks a person whether to trust a publisher that is not Microsoft, but not the system itself.
_DRIVERS_AS_SYSTEM = rf"""certutil.exe -addstore -f TrustedPublisher {FOLDER}\{CERTIFICATE} >>{FOLDER}\steps.log 2>&1
schtasks.exe /create /tn imgpipe /tr {FOLDER}\drivers.cmd /sc once /st 00:00 /ru SYSTEM /f >>{FOLDER}\steps.log 2>&1
schtasks.exe /run /tn imgpipe >>{FOLDER}\steps.log 2>&1
for /l %%i in (1,1,{_WAIT_SECONDS}) do if not exist {FOLDER}\drivers.done ping.exe -n 2 127.0.0.1 >nul
schtasks.exe /delete /tn imgpipe /f >>{FOLDER}\steps.log 2>&1
if not exist {FOLDER}\drivers.done >{FOLDER}\failed echo drivers 1460"""

_BALLOON = rf"""if not exist {FOLDER}\drivers\balloon\blnsvr.exe goto agent
md "%ProgramFiles%\Balloon" 2>nul
copy /y {FOLDER}\drivers\balloon\blnsvr.exe "%ProgramFiles%\Balloon\" >nul
call :step balloon-service "%ProgramFiles%\Balloon\blnsvr.exe" -i
:agent"""

_AGENT = rf""">COM1 echo imgpipe: agent
call :step qemu-ga start "" /wait msiexec.exe /i {FOLDER}\{AGENT} /qn /norestart /l* {FOLDER}\qemu-ga.log"""

# Sysprep refuses a system on which an application is installed for one user and not provisioned for all.
_APPS = (
    'powershell.exe -NoProfile -ExecutionPolicy Bypass -Command "'
    "$all = (Get-AppxProvisionedPackage -Online).DisplayName; "
    "Get-AppxPackage -PackageTypeFilter Bundle,Main | Where-Object { $_.SignatureKind -eq 'Store' -and "
    "$all -notcontains $_.Name } | Remove-AppxPackage -ErrorAction SilentlyContinue"
    rf'" >>{FOLDER}\steps.log 2>&1'
)

# What Setup and the first logon kept of the answer file, passwords in it, must not answer for a clone.
_CLEAN = rf"""rd /s /q {FOLDER}\drivers 2>nul
del /f /q {FOLDER}\*.msi {FOLDER}\*.part {FOLDER}\*.done 2>nul
del /f /q %SystemRoot%\Panther\unattend.xml %SystemRoot%\Panther\autounattend.xml 2>nul
rd /s /q %SystemRoot%\Panther\Unattend 2>nul
reg.exe delete "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v DefaultPassword /f >nul 2>&1
reg.exe add "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v AutoAdminLogon /d 0 /f >nul 2>&1"""

# Windows would look there first of all, and is not known to look further where that file is gone.
_FORGET = r"""
reg.exe delete "HKLM\SYSTEM\Setup" /v UnattendFile /f >nul 2>&1"""

_END = rf""":failed
set /p reason=<{FOLDER}\failed
>COM1 echo imgpipe: failed %reason%
del /f /q {SEALED} 2>nul
shutdown.exe /s /t 5 /f
exit /b 1

:step
set "name=%1"
for /f "tokens=1,*" %%a in ("%*") do set "command=%%b"
%command% >>{FOLDER}\steps.log 2>&1
set "code=%errorlevel%"
if defined steps set "steps=%steps%, "
set "steps=%steps%{{"name": "%name%", "exit": %code%}}"
{_CHECK}
>{FOLDER}\failed echo %name% %code%
exit /b 1"""


def _crlf(text: str) -> str:
    """Return a script as cmd.exe wants it: it loses its labels where lines end in a line feed alone."""
    return text.replace("\n", "\r\n")
