"""The convolutional autoencoders as a method: residuals of reconstructions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencoder.architectures import ARCHITECTURES
from autoencoder.fusion import fuse_upsampling
from autoencoder.losses import check_sides, smallest_side
from methods.base import MULTIPLE, Run, TrainingImages
from methods.components.reconstruction_method import ReconstructionMethod
from methods.engine.batches import images_per_epoch
from methods.engine.settings import Settings
from methods.engine.training import resumed, summary
from processing.data.sizes import Size, size_for
from processing.errors import UsageError
from processing.maps.residuals import RESIDUALS, legacy_residual

from . import training
from .corruption import Corruption

MULTIPLES = {"baselineCAE": 64, "inceptionCAE": 64, "skipCAE": 256}  # of sides


@dataclass(kw_only=True, eq=False)
class CAE(ReconstructionMethod):
    """An autoencoder trained on good images (Bergmann et al. 2019, arXiv 1807.02011).

    Args:
        name: a key of `ARCHITECTURES`.
        image_shape: (h, w, c).
        loss: "ssim", "mssim" or "l2".
        latent: values of the code, or None for the architecture's own number.
        corrupt: share of the training images that are corrupted, for the network to
            give back the good ones; in judgement none is.
        corrupt_with: "defects", "blocks" or "both", see `corruption`.
        batch_size: images a training step.
        epochs: cap on the epochs, or None.
        learning_rate: peak rate, or None to search for it.
        precision: "auto", "float32" or "bfloat16", for training alone.
        sigma: pixels, the blur of the maps.
        seed: of everything random.
    """

    standardised = tuple(RESIDUALS)
    map_kinds = ("ssim", "l2", "legacy-ssim", "legacy-l2")

    name: str = "mvtecCAE"
    image_shape: tuple[int, int, int] = (256, 256, 1)
    loss: str = "ssim"
    latent: int | None = None
    corrupt: float = 0.0
    corrupt_with: str = "defects"
    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    precision: str = "auto"
    sigma: float = 4.0

    @property
    def variant(self) -> str:
        return self.loss

    @property
    def default_kind(self) -> str:
        return "l2" if self.loss == "l2" else "ssim"

    @classmethod
    def color(cls, options: Mapping[str, Any]) -> str:
        return "rgb" if options.get("loss") == "mssim" else "grayscale"

    @classmethod
    def default_size(
        cls, sizes: Sequence[Size], options: Mapping[str, Any]
    ) -> tuple[int, int]:
        multiple = MULTIPLES.get(options.get("name", cls.name), MULTIPLE)
        size = size_for(sizes, cls.size, multiple)
        if min(size) < smallest_side(options.get("loss", cls.loss)):
            return cls.size, cls.size
        return size

    def build(self) -> None:
        self._use(self._network())

    @property
    def corruption(self) -> Corruption:
        """What is done to the training images."""
        return Corruption(self.corrupt, self.corrupt_with)

    def _network(self) -> Any:
        self.corruption.check(self.image_shape)
        try:
            check_sides(self.loss, self.image_shape)
            return ARCHITECTURES[self.name](self.image_shape, self.latent)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _use(self, network: Any) -> None:
        self.networks = {"autoencoder": network}
        self._fused = fuse_upsampling(network)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "CAE":
        saved, policy = resumed(run, self.precision)
        settings = Settings(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            policy=policy,
            seed=self.seed,
        )
        network, state = training.train(
            self._network, images, self.loss, settings, run, saved, self.corruption
        )
        self._use(network)
        self.history = state["history"]
        self.file_suffix = f"_b{self.batch_size}_e{state['best_epoch']}"
        self.trained = {
            **summary(state),
            "learning_rate": self.history[0]["learning_rate"],
            "best_epoch": state["best_epoch"],
            "best_val_loss": state["best"],
            "images_per_epoch": images_per_epoch(len(images.good), self.batch_size),
        }
        self.calibrate(images.good)
        return self

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return float32 reconstructions of images, both (n, h, w, c) in [0, 1]."""
        self.check_fitted()
        return np.asarray(self._fused.predict_on_batch(images))

    def graph(self, images: Any) -> tuple[Any, None]:
        return self.networks["autoencoder"](images), None

    def residual(
        self, images: np.ndarray, reconstructions: np.ndarray, kind: str
    ) -> np.ndarray:
        original = kind.removeprefix("legacy-")
        if original != kind:
            return legacy_residual(images, reconstructions, original)
        return RESIDUALS[kind](images, reconstructions)


@dataclass(kw_only=True, eq=False)
class AE(CAE):
    """The plain autoencoder with a dense code: a CAE with defaults of its own.

    Its parameters are those of `CAE`.
    """

    name: str = "AE"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    loss: str = "l2"
    batch_size: int = 32

    @classmethod
    def color(cls, options: Mapping[str, Any]) -> str:
        return "rgb"
