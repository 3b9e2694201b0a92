"""What a guest is told of who it is, how it is told, and what it says of itself."""
