"""The installer of the stand-in medium: runs in the guest, behaves from outside as Anaconda of EL 9.

It uses the standard library and pykickstart only; nothing of imgpipe is on the medium.
"""
