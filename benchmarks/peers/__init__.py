"""Services that answer the same bundles with the same ranking, as people write them."""
