"""Preseed: Debian by debian-installer."""
