"""Golden images that were published: the catalog, and what is done with them."""
