"""DDAD: conditioned reconstruction, compared in pixels and in adapted features."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from methods import backbones
from methods.base import Run, TrainingImages
from methods.engine.optimizer import predict
from methods.engine.training import interrupted
from methods.engine.training_state import check_arrays, expect
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec

from .diffusion_method import BATCH, Diffusion, Images
from .feature_distance import (
    Adapter,
    FeatureDistance,
    extractor,
    halves,
    run_adaptation,
)
from .noise import Noise
from .sampler import Plan, ddim_plan

SCALED = 64  # good images that the scale of the pixel distances is taken from
ADAPTATION = 2  # beside the seed, of the order in the adaptation

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class DDAD(Diffusion):
    """Denoising diffusion for anomaly detection (Mousakhan et al. 2023, 2305.15956).

    Raw maps are the distance of features between image and reconstruction plus
    `pixel_weight` times that of pixels, brought to the same range by a factor that is
    fixed on the training images.

    Args:
        name: "DDAD".
        image_shape: (h, w, c).
        preset: key of `PRESETS`.
        schedule: "linear" or "cosine".
        w: strength of the conditioning on the image itself.
        eta: share of fresh noise in a step back; 0 is deterministic.
        start: how many of 1000 steps of noise a reconstruction begins with.
        steps: calls of the UNet in a reconstruction.
        backbone: key of `BACKBONES`, the feature extractor.
        weights: "imagenet", "random" or a file, of the extractor.
        adapt: epochs of the extractor's adaptation; 0 leaves it as it is.
        w_adapt: strength of the conditioning during the adaptation.
        adapt_rate: learning rate of the adaptation.
        adapt_keep: weight of what keeps the extractor close to the original.
        pixel_weight: v, of the pixel distance.
        batch_size: images a training step.
        accumulate: training steps whose gradients are averaged.
        epochs: cap on the epochs, or None.
        learning_rate: peak rate.
        precision: "auto", "float32" or "bfloat16", for training alone.
        sigma: pixels, the blur of the maps; None is 4 at a side of 256.
        seed: of everything random.
    """

    name: str = "DDAD"
    start: int = 250
    steps: int = 10
    learning_rate: float = 3e-4
    w: float = 2.0
    eta: float = 1.0
    backbone: str = "efficientnet_lite0"
    weights: str = "imagenet"
    adapt: int = 4
    w_adapt: float = 3.0
    adapt_rate: float = 1e-4
    adapt_keep: float = 0.1
    pixel_weight: float = 1.0

    @property
    def noise(self) -> Noise:
        return Noise("gaussian")

    def plan(self) -> Plan:
        return ddim_plan(self.process, self.timesteps, self.eta, self.w)

    def array_specs(self) -> dict[str, ArraySpec]:
        return {**super().array_specs(), "pixel_scale": ArraySpec()}

    def build(self) -> None:
        super().build()
        self._use_extractor(extractor(self.backbone, self.image_shape))

    def _use_extractor(self, network: Any) -> None:
        self.networks["extractor"] = network
        self.distance = FeatureDistance(network, self.image_shape[:2])

    def fit(self, images: TrainingImages, run: Run | None = None) -> "DDAD":
        keras.utils.set_random_seed(self.seed)
        network = extractor(self.backbone, self.image_shape)
        backbones.load_weights(network, self.backbone, self.weights)
        original = extractor(self.backbone, self.image_shape)
        original.set_weights(network.get_weights())
        self._train(images, run)
        self._use_extractor(network)
        if self.adapt:
            self._adapt(Adapter(network, original, self.adapt_keep), images.good, run)
        self._scale(images.good)
        self.calibrate(images.good)
        return self

    def _adapt(self, adapter: Adapter, good: ImageSet, run: Run | None) -> None:
        """Adapt the extractor, unless an interrupted run has done so."""
        arrays, state = interrupted(run) or ({}, {})
        if "extractor" in arrays:
            check_arrays("extractor", arrays, adapter.network.weights)
            losses = state.get("adaptation_losses")
            right = isinstance(losses, list) and all(type(x) is float for x in losses)
            expect(right, "adaptation_losses", "a list of numbers", losses)
            adapter.network.set_weights(arrays["extractor"])
        else:
            state["adaptation_losses"] = self._adapted(adapter, good)
            if run:
                arrays = {**arrays, "extractor": adapter.network.get_weights()}
                run.save(arrays, state)
        self.trained["adaptation_losses"] = state["adaptation_losses"]

    def _adapted(self, adapter: Adapter, good: ImageSet) -> list[float]:
        """Adapt to pairs of one image's reconstruction and another; return losses."""
        plan = ddim_plan(self.process, self.timesteps, self.eta, self.w_adapt)

        def pairs(epoch: int) -> Iterator[tuple[Images, Images]]:
            draws = np.random.default_rng((self.seed, ADAPTATION, epoch))
            for images, targets in halves(good.load, len(good), self.batch_size, draws):
                reconstructions = self.reverse(2 * images - 1, 2 * targets - 1, plan)
                yield np.clip((reconstructions + 1) / 2, 0, 1), targets

        losses = run_adaptation(adapter, pairs, self.adapt, self.adapt_rate)
        log.info(
            "extractor adapted: loss %s", " ".join(f"{loss:.4f}" for loss in losses)
        )
        return losses

    def _scale(self, good: ImageSet) -> None:
        """Learn the factor that brings pixel distances to the range of features'.

        It is the ratio of their highest values on good images; the original's ratio is
        of the highest in the batch that is judged.
        """
        highest: NDArray[np.float64] = np.zeros(2)
        for images in islice(good.batches(BATCH), SCALED // BATCH):
            parts = self._distances(images, self.reconstruct(images))
            highest = np.maximum(highest, [part.max() for part in parts])
        self.arrays["pixel_scale"] = np.array(
            highest[0] / max(highest[1], 1e-6), np.float32
        )

    def _distances(
        self, images: Images, reconstructions: Images
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return feature and pixel distances, (n, h, w) each, pixels in [-1, 1]."""
        features = predict(self.distance, (images, reconstructions))
        pixels = 2 * np.abs(images - reconstructions).mean(axis=-1)
        return np.asarray(features), pixels

    def raw_maps(self, images: Images, reconstructions: Images) -> np.ndarray:
        features, pixels = self._distances(images, reconstructions)
        scale = self.pixel_weight * self.arrays["pixel_scale"]
        return (features + scale * pixels).astype("float32")

    def highest(self, kind: str) -> float:
        return 4.0 if kind == "raw" else super().highest(kind)
