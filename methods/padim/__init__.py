"""PaDiM: a Gaussian of features at every position."""
