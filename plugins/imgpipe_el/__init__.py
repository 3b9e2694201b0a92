"""Kickstart: the Enterprise Linux family and its relatives."""
