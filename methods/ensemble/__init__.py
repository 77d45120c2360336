"""Several judges on the features of one backbone."""
