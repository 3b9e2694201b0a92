"""How a recipe becomes a kickstart."""
