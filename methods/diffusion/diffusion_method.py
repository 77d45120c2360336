"""What DDAD and AnoDDPM share: training a UNet, reconstructing, and maps."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from methods.base import Run, TrainingImages
from methods.components.reconstruction_method import ReconstructionMethod
from methods.engine.batches import images_per_epoch
from methods.engine.optimizer import predict
from methods.engine.training import resumed, summary
from processing.errors import UsageError
from processing.maps.residuals import smooth

from .noise import Noise
from .presets import architecture
from .process import noised
from .sampler import Plan, Sampler
from .schedule import STEPS, Schedule, reverse_timesteps
from .training import DenoisingSettings, FixedBatches, NoisyBatches, train
from .unet import unet

BATCH = 16  # images that are reconstructed together
FIXED = 1  # beside the seed, of the noise that all images are judged with
SIGMA = 4.0  # pixels of blur at a side of 256, in both originals' field

Images = NDArray[np.float32]  # (n, h, w, c) in [0, 1]


@dataclass(kw_only=True, eq=False)
class Diffusion(ReconstructionMethod):
    """A method that noises images and lets a UNet take the noise away again.

    All images are judged with the same noise, drawn from the seed: no image's score
    depends on those beside it, nor on how many were judged before.
    """

    size = 128
    map_kinds = ("standard", "raw")
    standardised = ("standard",)
    statistic = "{name}"
    repeats = 1  # reconstructions that are averaged
    clip: ClassVar[float | None] = None  # largest norm of a gradient
    horizon = STEPS  # timesteps of the training are below it
    bounded = False  # keep what the UNet guesses within the range of images

    image_shape: tuple[int, int, int] = (128, 128, 3)
    preset: str = "small"
    schedule: str = "linear"
    start: int
    steps: int
    batch_size: int = 16
    accumulate: int = 1
    epochs: int | None = None
    learning_rate: float
    precision: str = "auto"
    sigma: float | None = None

    @property
    def variant(self) -> str:
        return self.preset

    @property
    def iterative(self) -> bool:
        return True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.steps <= self.start <= self.horizon:
            raise UsageError(
                f"--steps must be 1 to --start, at most {self.horizon}. Received: "
                f"--steps {self.steps} --start {self.start}"
            )
        self.process = Schedule(self.schedule)
        self.timesteps = reverse_timesteps(self.start, self.steps)
        self._drawn: list[tuple[np.ndarray, np.ndarray]] = []

    @property
    def blur(self) -> float:
        shorter = min(self.image_shape[:2])
        return SIGMA * shorter / 256 if self.sigma is None else self.sigma

    @property
    @abstractmethod
    def noise(self) -> Noise:
        """The noise of training and reconstruction."""

    @abstractmethod
    def plan(self) -> Plan:
        """Return the steps of a reconstruction."""

    @abstractmethod
    def raw_maps(self, images: Images, reconstructions: Images) -> np.ndarray:
        """Return float32 maps (n, h, w) of the original method, not blurred yet."""

    def build(self) -> None:
        self._use(self._network())

    def _network(self) -> Any:
        return unet(self.image_shape, architecture(self.preset, self.image_shape))

    def _use(self, network: Any) -> None:
        self.networks["unet"] = network
        self.sampler = Sampler(network, self.bounded)

    def fit(self, images: TrainingImages, run: Run | None = None) -> "Diffusion":
        self._train(images, run)
        self.calibrate(images.good)
        return self

    def _train(self, images: TrainingImages, run: Run | None) -> None:
        """Train the UNet, or go on with it."""
        good, validation = images.good, images.validation
        saved, policy = resumed(run, self.precision)
        settings = DenoisingSettings(
            start=self.start,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            clip=self.clip,
            policy=policy,
            seed=self.seed,
        )
        network, state = train(
            self._network,
            self.process,
            NoisyBatches(good.load, len(good), settings, self.noise, self.horizon),
            FixedBatches(validation.load, len(validation), settings, self.noise),
            settings,
            run,
            saved,
        )
        self._use(network)
        self.history = state["history"]
        self.file_suffix = f"_{self.preset}_e{state['best_epoch']}"
        self.trained = {
            **summary(state),
            "parameters": network.count_params(),
            "best_epoch": state["best_epoch"],
            "best_val_loss": state["best"],
            "images_per_epoch": images_per_epoch(len(good), self.batch_size),
        }

    def reconstruct(self, images: Images) -> Images:
        """Return the mean of `repeats` reconstructions, clipped to [0, 1]."""
        self.check_fitted()
        plan, scaled = self.plan(), 2 * images - 1
        reconstructions = [
            self.reverse(scaled, scaled, plan, i) for i in range(self.repeats)
        ]
        return np.clip((np.mean(reconstructions, axis=0) + 1) / 2, 0, 1)

    def reverse(
        self, images: Images, targets: Images, plan: Plan, repeat: int = 0
    ) -> Images:
        """Noise images and take the noise away again; all are in [-1, 1].

        Args:
            images: (n, h, w, c).
            targets: that a conditioned plan leads to, of the same shape.
            plan: of as many steps as `steps`.
            repeat: which of the fixed noises to take.
        """
        first, fresh = self._fixed_noise(repeat)
        rates = [
            np.float32(rate(self.timesteps[0]))
            for rate in (self.process.signal_rate, self.process.noise_rate)
        ]
        noisy = noised(images, first, *rates)
        return np.asarray(predict(self.sampler, (noisy, targets, fresh, plan)))

    def _fixed_noise(self, repeat: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the noise (h, w, c) of the first step and (steps, h, w, c) of all."""
        while len(self._drawn) <= repeat:
            draws = np.random.default_rng((self.seed, FIXED, len(self._drawn)))
            noise = self.noise(draws, (self.steps + 1, *self.image_shape))
            self._drawn.append((noise[0], noise[1:]))
        return self._drawn[repeat]

    def residual(
        self, images: Images, reconstructions: Images, kind: str
    ) -> np.ndarray:
        maps = self.raw_maps(images, reconstructions)
        return maps if kind in self.standardised else smooth(maps, self.blur)
