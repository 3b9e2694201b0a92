"""What is read from the media before anything boots."""
