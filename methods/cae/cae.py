"""The convolutional autoencoders as a method: residuals of reconstructions."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from autoencoder.architectures import ARCHITECTURES
from autoencoder.fusion import fuse
from autoencoder.losses import check_sides, smallest_side
from methods.base import BATCH, MULTIPLE, Run, TrainingImages
from methods.components.reconstruction_method import ReconstructionMethod
from methods.engine.batches import images_per_epoch
from methods.engine.settings import Settings
from methods.engine.training import Saved, resumed, summary
from processing.data.image_set import ImageSet
from processing.data.sizes import Size, size_for
from processing.errors import UsageError
from processing.maps.residuals import RESIDUALS, legacy_residual

from . import segmenter_training, training
from .corruption import CLEAN, SMALLEST, Corruption, too_small
from .segmenter import marking_model, segmenter

MULTIPLES = {"baselineCAE": 64, "inceptionCAE": 64, "skipCAE": 256}  # of sides
RESIDUAL_KINDS = ("ssim", "l2", "legacy-ssim", "legacy-l2")
ALIKE = 1e-4  # in [0, 1]: reconstructions that differ by less are the same
SEGMENT = "segment"  # the kind of the segmenter's maps
COPYING = ("resnetCAE", "skipCAE")  # by their skips, unless trained to undo defects

log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class CAE(ReconstructionMethod):
    """An autoencoder trained on good images (Bergmann et al. 2019, arXiv 1807.02011).

    Behind it, a segmenter can learn from synthetic defects to mark them, of an image
    and its reconstruction (DRAEM, Zavrtanik et al. 2021, arXiv 2108.07610). It may miss
    kinds of defects that look like none of them.

    Args:
        name: a key of `ARCHITECTURES`.
        image_shape: (h, w, c).
        loss: "ssim", "mssim" or "l2".
        latent: values of the code, or None for the architecture's own number.
        corrupt: share of the training images that are corrupted, for the network to
            give back the good ones; in judgement none is. None for all of networks
            with skips, and none of the others.
        corrupt_with: "defects", "blocks" or "both", see `corruption`.
        segment: train a segmenter, too, whose maps are the probability of a defect.
        batch_size: images a training step.
        epochs: cap on the epochs of each training; None for 60, of a segmenter 30.
        learning_rate: peak rate of the autoencoder, or None for one that was found
            before for the same network, or to search for it.
        search_rate: search even if one was found before.
        precision: "auto", "float32" or "bfloat16", for training alone.
        sigma: pixels, the blur of the maps.
        seed: of everything random.
    """

    standardised = tuple(RESIDUALS)

    name: str = "mvtecCAE"
    image_shape: tuple[int, int, int] = (256, 256, 1)
    loss: str = "ssim"
    latent: int | None = None
    corrupt: float | None = None
    corrupt_with: str = "both"
    segment: bool = False
    batch_size: int = 8
    epochs: int | None = None
    learning_rate: float | None = None
    search_rate: bool = False
    precision: str = "auto"
    sigma: float = 4.0

    @property
    def map_kinds(self) -> tuple[str, ...]:  # type: ignore[override]
        return (*RESIDUAL_KINDS, *[SEGMENT] * self.segment)

    @property
    def variant(self) -> str:
        return f"{self.loss}_{SEGMENT}" if self.segment else self.loss

    @property
    def default_kind(self) -> str:
        if self.segment:
            return SEGMENT
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

    def check(self) -> None:
        self._network()

    def build(self) -> None:
        marker = segmenter(self.image_shape) if self.segment else None
        self._use(self._network(), marker)

    @property
    def corruption(self) -> Corruption:
        """What is done to the training images."""
        share = float(self.name in COPYING) if self.corrupt is None else self.corrupt
        return Corruption(share, self.corrupt_with) if share else CLEAN

    @classmethod
    def recorded_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # As all were before there was a choice.
        return {"corrupt": 0.0, **config}

    def _network(self) -> Any:
        self.corruption.check(self.image_shape)
        if self.segment and min(self.image_shape[:2]) < SMALLEST:
            raise UsageError(too_small("--segment", self.image_shape))
        try:
            check_sides(self.loss, self.image_shape)
            return ARCHITECTURES[self.name](self.image_shape, self.latent)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _use(self, network: Any, marker: Any | None) -> None:
        self.networks = {"autoencoder": network}
        self._fused = fuse(network)
        if marker is not None:
            self.networks["segmenter"] = marker
            self._marking = marking_model(self._fused, marker, self.blur)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "CAE":
        saved, policy = resumed(run, self.precision)
        settings = Settings(
            batch_size=self.batch_size,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            policy=policy,
            seed=self.seed,
        )
        network, marker, state = self._train(images, settings, run, saved)
        self._use(network, marker)
        self.history = state["history"]
        first = state.get(segmenter_training.BEFORE, state)
        self.file_suffix = f"_b{self.batch_size}_e{first['best_epoch']}"
        self.trained = {
            **summary(state),
            "learning_rate": self.history[0]["learning_rate"],
            "learning_rate_from": first["rate_from"],
            "best_epoch": first["best_epoch"],
            "best_val_loss": first["best"],
            "images_per_epoch": images_per_epoch(len(images.good), self.batch_size),
        }
        if self.segment:
            self.file_suffix += f"_s{state['best_epoch']}"
            self.trained |= {
                "supervised": False,
                "learned_from": "synthetic defects",
                "segmenter_best_epoch": state["best_epoch"],
                "segmenter_best_val_loss": state["best"],
            }
        self._warn_if_constant(images.good)
        self.calibrate(images.good)
        return self

    def _warn_if_constant(self, good: ImageSet) -> None:
        """Warn if the network gives one picture for all images, as a dead one does."""
        several = good.load(np.arange(min(BATCH, len(good))))
        if len(several) > 1 and np.ptp(self.reconstruct(several), 0).max() < ALIKE:
            log.warning(
                "the network gives the same picture for every image: it has learned "
                "nothing of them. Train again with --lr %.2g",
                self.trained["learning_rate"] / 4,
            )

    def _train(
        self,
        images: TrainingImages,
        settings: Settings,
        run: Run | None,
        saved: Saved | None,
    ) -> tuple[Any, Any | None, dict[str, Any]]:
        """Return the networks, None for a segmenter that there is not, and the state.

        The state is that of the last training.
        """
        network = None
        before = segmenter_training.before_of(saved) if self.segment else None
        if before is None:
            network, before = training.train(
                self._network,
                images,
                self.loss,
                settings,
                run,
                saved,
                self.corruption,
                self.search_rate,
            )
            saved = None
        if not self.segment:
            return network, None, before
        log.info(
            "the segmenter learns from synthetic defects and may miss other kinds of "
            "defects"
        )
        return segmenter_training.train(
            self._network, network, before, images, settings, run, saved
        )

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Return float32 reconstructions of images, both (n, h, w, c) in [0, 1]."""
        self.check_fitted()
        return np.asarray(self._fused.predict_on_batch(images))

    def judge(
        self, images: np.ndarray, kind: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        if kind != SEGMENT:
            return super().judge(images, kind)
        maps, scores = self._marking.predict_on_batch(images)
        return np.asarray(maps), np.asarray(scores)

    def inference_model(self, kind: str | None = None) -> Any | None:
        self.check_fitted()
        if (kind or self.default_kind) != SEGMENT:
            return super().inference_model(kind)
        return marking_model(self._fused, self.networks["segmenter"], self.blur)

    def graph(self, images: Any) -> tuple[Any, None]:
        return self._fused(images), None

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
