@echo off
setlocal EnableExtensions
set "found="
call :driver balloon balloon.inf
call :driver vioserial vioser.inf
call :driver viorng viorng.inf
call :driver pvpanic pvpanic.inf
call :driver qxldod qxldod.inf
>C:\imgpipe\drivers.part echo %found%
>C:\imgpipe\drivers.done echo done
exit /b 0

:driver
>COM1 echo imgpipe: driver %1
pnputil.exe -i -a C:\imgpipe\drivers\%1\%2 >>C:\imgpipe\drivers.log 2>&1
set "code=%errorlevel%"
if defined found set "found=%found%, "
set "found=%found%{"name": "%1", "exit": %code%}"
if "%code%"=="0" exit /b 0
if "%code%"=="259" exit /b 0
if "%code%"=="3010" exit /b 0
>C:\imgpipe\failed echo driver %1 %code%
exit /b 1
