"""Synthetic defects on good images, to train on: seeded, varied, with exact masks."""

from .kinds import KINDS
from .synthesis import synthesise

__all__ = ["KINDS", "synthesise"]
