"""One module for each part of the outside world; nothing else may import it."""
