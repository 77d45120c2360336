"""Pages, plots and pictures that show a person what was judged."""
