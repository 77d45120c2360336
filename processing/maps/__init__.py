"""Anomaly maps: residuals of reconstructions, and their statistics."""
