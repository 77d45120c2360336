"""Image data, decisions, metrics and reports. Never imports Keras."""
