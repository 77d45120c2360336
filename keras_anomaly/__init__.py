"""Image anomaly detection on Keras: learn from good parts, judge others."""

from methods import __version__

__all__ = ["__version__"]
