"""Report pages, plots and pictures of judged images."""
