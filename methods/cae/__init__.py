"""The convolutional autoencoders and the plain one as methods."""
