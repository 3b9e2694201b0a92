"""The program of the stand-in Setup: runs in the guest, behaves from outside as Windows Setup does.

It uses the standard library, hivex and a few programs only. What it installs is files and a boot loader that starts
this program again, for the phases after the first reboot; no part of Windows is anywhere.
"""
