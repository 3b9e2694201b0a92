"""What the tests of builds share beside the data root (see the folder above)."""

DEBIAN = "debian13-2c2g6g"
