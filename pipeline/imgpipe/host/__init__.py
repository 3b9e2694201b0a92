"""The host: what imgpipe needs of it."""
