"""PatchCore: distances from a memory bank of features."""
