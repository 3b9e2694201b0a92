@echo off
setlocal EnableExtensions
cd /d C:\imgpipe
mode.com COM1: BAUD=115200 PARITY=n DATA=8 STOP=1 >nul 2>&1
>COM1 echo imgpipe: first-logon
set "steps="
call C:\imgpipe\drivers.cmd
if exist C:\imgpipe\failed goto failed
set /p drivers=<C:\imgpipe\drivers.part
if not exist C:\imgpipe\drivers\balloon\blnsvr.exe goto agent
md "%ProgramFiles%\Balloon" 2>nul
copy /y C:\imgpipe\drivers\balloon\blnsvr.exe "%ProgramFiles%\Balloon\" >nul
call :step balloon-service "%ProgramFiles%\Balloon\blnsvr.exe" -i
:agent
>COM1 echo imgpipe: agent
call :step qemu-ga start "" /wait msiexec.exe /i C:\imgpipe\qemu-ga-x86_64.msi /qn /norestart /l* C:\imgpipe\qemu-ga.log
call :step hibernation powercfg.exe /h off
if exist C:\imgpipe\failed goto failed
powershell.exe -NoProfile -ExecutionPolicy Bypass -Command "$all = (Get-AppxProvisionedPackage -Online).DisplayName; Get-AppxPackage -PackageTypeFilter Bundle,Main | Where-Object { $_.SignatureKind -eq 'Store' -and $all -notcontains $_.Name } | Remove-AppxPackage -ErrorAction SilentlyContinue" >>C:\imgpipe\steps.log 2>&1
>C:\imgpipe\sealed.json echo {"imgpipe": 1, "system": "win2016", "drivers": [%drivers%], "steps": [%steps%]}
rd /s /q C:\imgpipe\drivers 2>nul
del /f /q C:\imgpipe\*.msi C:\imgpipe\*.part C:\imgpipe\*.done 2>nul
del /f /q %SystemRoot%\Panther\unattend.xml %SystemRoot%\Panther\autounattend.xml 2>nul
rd /s /q %SystemRoot%\Panther\Unattend 2>nul
reg.exe delete "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v DefaultPassword /f >nul 2>&1
reg.exe add "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon" /v AutoAdminLogon /d 0 /f >nul 2>&1
>COM1 echo imgpipe: sysprep
start "" /wait %SystemRoot%\System32\Sysprep\sysprep.exe /generalize /oobe /shutdown /quiet /mode:vm
set "code=%errorlevel%"
if "%code%"=="0" exit /b 0
>C:\imgpipe\failed echo sysprep %code%

:failed
set /p reason=<C:\imgpipe\failed
>COM1 echo imgpipe: failed %reason%
del /f /q C:\imgpipe\sealed.json 2>nul
shutdown.exe /s /t 5 /f
exit /b 1

:step
set "name=%1"
for /f "tokens=1,*" %%a in ("%*") do set "command=%%b"
%command% >>C:\imgpipe\steps.log 2>&1
set "code=%errorlevel%"
if defined steps set "steps=%steps%, "
set "steps=%steps%{"name": "%name%", "exit": %code%}"
if "%code%"=="0" exit /b 0
if "%code%"=="259" exit /b 0
if "%code%"=="3010" exit /b 0
>C:\imgpipe\failed echo %name% %code%
exit /b 1
