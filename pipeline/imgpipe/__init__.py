"""imgpipe: from an installer ISO to a golden image, unattended."""
