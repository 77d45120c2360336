"""One trained model in use: its file, its decisions, its verdicts."""
