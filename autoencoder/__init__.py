"""Convolutional autoencoders: architectures, losses, fusion."""
