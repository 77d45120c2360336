"""The supervised classifier."""
