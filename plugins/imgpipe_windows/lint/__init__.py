"""Lint of unattend answer files: every fault that can be known without Windows."""

from imgpipe_windows.lint.rules import lint

__all__ = ["lint"]
