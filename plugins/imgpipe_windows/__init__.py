"""Windows, from Server 2008 R2 to Server 2025, and Windows 10 and 11, installed by an unattend answer file."""
