"""Convolutional autoencoders: architectures, losses, fusion, the trainer."""
