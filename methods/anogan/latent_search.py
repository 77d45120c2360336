"""The latents whose generated images come closest to given ones."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.components.pullback import value_and_vjp
from methods.engine.optimizer import compile_trainer, predict

from .networks import RANGE, feature_layers

LAMBDA = 0.1  # share of the features' distance, the rest is the images'
RATE = 0.05  # of Adam, at the first step; decays by half a cosine
BETAS = (0.5, 0.999)
EPSILON = 1e-7


def distance(x: Any, y: Any) -> Any:
    """Return the sum of absolute differences of each row, (n,)."""
    return ops.sum(ops.abs(x - y), axis=tuple(range(1, len(x.shape))))


def f_anogan_scores(images: tuple[Any, Any], features: tuple[Any, Any]) -> Any:
    """Return the mean squared difference of images plus that of features, (n,).

    Schlegl et al. 2019, Medical Image Analysis 54, eq. 4, with kappa 1; images are in
    [0, 1], but their difference counts as if they were in [-1, 1].
    """
    squares = (
        ops.mean(ops.square(x - y), axis=tuple(range(1, len(x.shape))))
        for x, y in (images, features)
    )
    of_images, of_features = squares
    return RANGE**2 * of_images + of_features


class LatentSearch(keras.Model):
    """Schlegl et al. 2017 (arXiv 1703.05921): descend from a latent to the best one.

    Minimises (1 - lambda) R + lambda D for every image by itself, R = sum |x - G(z)|
    and D = sum |f(x) - f(G(z))|, with Adam on z alone. All steps for all images of a
    batch run as one compiled loop, and the best z that each image came by is kept.

    Args:
        generator: G, from latents to images in [0, 1].
        discriminator: f is its layer "features".
        steps: of the descent; 0 leaves the starts as they are.
        squared: score by `f_anogan_scores`.
    """

    def __init__(
        self, generator: Any, discriminator: Any, steps: int, squared: bool = False
    ):
        super().__init__()
        self.generator = generator.layers[1:]
        self.features = feature_layers(discriminator)
        self.steps = steps
        self.squared = squared
        compile_trainer(self, "adam")  # for its choice of XLA; nothing is trained

    def call(self, inputs: Any) -> Any:
        """Return reconstructions in [0, 1] and their scores.

        Takes float32 images (n, h, w, c) in [0, 1] and latents (n, k) to start from.
        """
        images, latents = inputs
        wanted, _ = value_and_vjp(self.features, images)
        worst = ops.full((ops.shape(latents)[0],), math.inf)
        zeros = ops.zeros_like(latents)

        def body(step: Any, state: Any) -> Any:
            latents, best, lowest, first, second = state
            loss, gradient = self._loss(images, wanted, latents)
            best, lowest = _better(latents, loss, best, lowest)
            latents, first, second = self._adam(step, latents, gradient, first, second)
            return latents, best, lowest, first, second

        state = (latents, latents, worst, zeros, zeros)
        last, best, lowest, *_ = ops.fori_loop(0, self.steps, body, state)
        loss, _ = self._loss(images, wanted, last)
        best, lowest = _better(last, loss, best, lowest)
        generated, _ = value_and_vjp(self.generator, best)
        if not self.squared:
            return generated, lowest
        features, _ = value_and_vjp(self.features, generated)
        return generated, f_anogan_scores((images, generated), (wanted, features))

    def _loss(self, images: Any, wanted: Any, latents: Any) -> tuple[Any, Any]:
        """Return the loss (n,) of latents and its gradient (n, k)."""
        generated, to_latents = value_and_vjp(self.generator, latents)
        features, to_images = value_and_vjp(self.features, generated)
        loss = (1 - LAMBDA) * RANGE * distance(images, generated)
        loss = loss + LAMBDA * distance(wanted, features)
        gradient = to_images(LAMBDA * ops.sign(features - wanted))
        apart = (1 - LAMBDA) * RANGE * ops.sign(generated - images)
        return loss, to_latents(gradient + apart)

    def _adam(
        self, step: Any, latents: Any, gradient: Any, first: Any, second: Any
    ) -> tuple[Any, Any, Any]:
        """Return latents and moments after a step."""
        step = ops.cast(step, "float32")
        rate = RATE * 0.5 * (1 + ops.cos(math.pi * step / max(self.steps, 1)))
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * ops.square(gradient)
        mean, variance = (
            moment / (1 - beta ** (step + 1))
            for moment, beta in zip((first, second), BETAS, strict=True)
        )
        return latents - rate * mean / (ops.sqrt(variance) + EPSILON), first, second

    def search(self, images: np.ndarray, starts: np.ndarray) -> tuple:
        """Return `call` of NumPy arrays as NumPy arrays."""
        return tuple(map(np.asarray, predict(self, [images, starts])))


def _better(latents: Any, loss: Any, best: Any, lowest: Any) -> tuple[Any, Any]:
    """Return the latents and losses of the rows that have improved, the rest kept."""
    improved = loss < lowest
    best = ops.where(improved[:, None], latents, best)
    return best, ops.where(improved, loss, lowest)
