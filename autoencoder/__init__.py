"""Convolutional autoencoders: architectures, losses, learning rate, training."""
