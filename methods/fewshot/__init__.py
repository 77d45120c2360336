"""Methods that know a product by a few images of it."""
