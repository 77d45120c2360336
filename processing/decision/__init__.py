"""From anomaly maps to verdicts: regions, search and calibration."""
