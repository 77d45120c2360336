"""An encoder trained by contrast, and clusters of its features."""
