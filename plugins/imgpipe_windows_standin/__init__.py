"""A stand-in for Windows Setup and one for the virtio-win ISO: what imgpipe's own tests install from."""
