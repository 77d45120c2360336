"""Generative adversarial networks: the networks, their training, the latent search."""
