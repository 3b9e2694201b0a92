"""Autoinstall: Ubuntu by subiquity."""
