"""Windows: from its own media to sealed templates and their clones."""
