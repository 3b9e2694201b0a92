"""The core's own implementation of each stage, one module each."""
