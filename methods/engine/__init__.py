"""Keras training that knows no method."""
