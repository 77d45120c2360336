"""Denoising diffusion: the UNet, its noise, its training, and two methods on it."""
