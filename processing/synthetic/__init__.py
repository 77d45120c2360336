"""Synthetic defects on good images, to train on: seeded, varied, with exact masks."""

from .kinds import CORRUPTIONS, KINDS
from .synthesis import synthesise

__all__ = ["CORRUPTIONS", "KINDS", "synthesise"]
