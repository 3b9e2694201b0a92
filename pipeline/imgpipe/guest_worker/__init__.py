"""The process that talks to libguestfs, for any Python >= 3.9 that can import `guestfs`; standard library only.

imgpipe's own interpreter can rarely import it (it is built for the distribution's Python only), and a library that
starts QEMU and reads hostile disks is better apart.
"""
