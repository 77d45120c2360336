"""AnoGAN: how far an image is from the nearest one that a GAN can make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from methods.base import Run, TrainingImages
from methods.components.reconstruction_method import ReconstructionMethod
from methods.engine.settings import EPOCHS, Settings
from methods.engine.training import resumed, summary
from processing.data.sizes import Size
from processing.maps.residuals import l1_residual

from . import networks, training
from .latent_search import LatentSearch, f_anogan_scores

STEPS = 500
CALIBRATING = 64  # good images that a search is worth its time for


@dataclass(kw_only=True, eq=False)
class AnoGAN(ReconstructionMethod):
    """A GAN of good images, searched for every image's nearest (arXiv 1703.05921).

    The search starts at one latent for all images, the seed's, or at the guess of an
    encoder (f-AnoGAN, Schlegl et al. 2019), which is good enough to need no search.
    The score is (1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))| with images
    in [-1, 1] and lambda 0.1, or f-AnoGAN's, the mean squares of both differences.
    Maps are |x - G(z)|, "raw-l1" as they are.

    Args:
        name: as in the registry.
        image_shape: (h, w, c), h = w = 32, 64, 128 or 256.
        latent: values of z.
        width: filters before the generator's last layer; the other layers have two to
            eight times as many.
        encoder: train an encoder, too, for as many epochs again.
        steps: of the search; None for 500, or for 0 with an encoder.
        batch_size: images a training step.
        epochs: of the GAN, or None for 60.
        learning_rate: of Adam.
        precision: "auto", "float32" or "bfloat16", for training alone.
        sigma: pixels, the blur of the maps.
        seed: of everything random.
    """

    size = 64
    standardised = ("l1",)
    map_kinds = ("l1", "raw-l1")

    name: str = "AnoGAN"
    image_shape: tuple[int, int, int] = (64, 64, 3)
    latent: int = networks.LATENT
    width: int = networks.WIDTH
    encoder: bool = False
    steps: int | None = None
    batch_size: int = 16
    epochs: int | None = None
    learning_rate: float = 2e-4
    precision: str = "auto"
    sigma: float = 2.0

    @property
    def variant(self) -> str:
        return "encoder" if self.encoder else "search"

    @property
    def iterative(self) -> bool:
        return not self.encoder or bool(self.steps)

    @classmethod
    def default_size(
        cls, sizes: Sequence[Size], options: Mapping[str, Any]
    ) -> tuple[int, int]:
        return cls.size, cls.size

    def build(self) -> None:
        networks.check_shape(self.image_shape)
        self._use(self._shape.build(self.encoder))

    @property
    def _shape(self) -> networks.GANShape:
        return networks.GANShape(self.image_shape, self.latent, self.width)

    def _use(self, trained: dict[str, Any]) -> None:
        self.networks = trained
        steps = self.steps
        if steps is None:
            steps = 0 if self.encoder else STEPS
        self._search = LatentSearch(
            trained["generator"], trained["discriminator"], steps, squared=self.encoder
        )

    def fit(self, images: TrainingImages, run: Run | None = None) -> "AnoGAN":
        saved, policy = resumed(run, self.precision)
        epochs = self.epochs or EPOCHS
        settings = Settings(
            batch_size=self.batch_size,
            epochs=2 * epochs if self.encoder else epochs,
            learning_rate=self.learning_rate,
            policy=policy,
            seed=self.seed,
            patience=None,
        )
        trained, state = training.train(
            self._shape, images, self.encoder, settings, run, saved
        )
        self._use(trained)
        self.history = state["history"]
        self.file_suffix = f"_b{self.batch_size}_e{state['epochs']}"
        self.trained = summary(state)
        good, count = images.good, min(CALIBRATING, len(images.good))
        self.calibrate(good.subset(np.linspace(0, len(good) - 1, count, dtype=int)))
        return self

    def _nearest(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest good images in [0, 1], and the scores (n,)."""
        self.check_fitted()
        return self._search.search(images, self._starts(images))

    def _starts(self, images: np.ndarray) -> np.ndarray:
        if self.encoder:
            guesses = self.networks["encoder"].predict_on_batch(images)
            return np.asarray(guesses)
        start = np.random.default_rng(self.seed).standard_normal(self.latent, "float32")
        return np.tile(start, (len(images), 1))

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return the nearest images that the generator makes, (n, h, w, c)."""
        return self._nearest(images)[0]

    def graph(self, images: Any) -> tuple[Any, Any] | None:
        if not self.encoder or self.steps:
            return None  # it is a search
        nearest = self.networks["generator"](self.networks["encoder"](images))
        discriminator = self.networks["discriminator"]
        compared = discriminator.get_layer(networks.FEATURES).output
        features = keras.Model(discriminator.input, compared)
        pairs = (images, nearest), (features(images), features(nearest))
        return nearest, f_anogan_scores(*pairs)

    def residual(
        self, images: np.ndarray, reconstructions: np.ndarray, kind: str
    ) -> np.ndarray:
        return l1_residual(images, reconstructions)

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert kind
        nearest, scores = self._nearest(images)
        return self.maps(images, nearest, kind), scores
