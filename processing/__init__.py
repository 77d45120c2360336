"""Images in, decisions and reports out. Never imports Keras."""
