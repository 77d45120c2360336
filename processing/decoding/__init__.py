"""Image files and medical volumes as arrays."""
