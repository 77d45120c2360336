"""Ensemble: the mean of what several methods make of a backbone's features."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from methods import backbones
from methods.base import Run, TrainingImages
from methods.components.enlarge import Enlarge
from methods.components.feature_method import LARGE, FeatureMethod
from methods.components.image_scores import TOP, image_scores
from methods.padim.padim import PaDiM
from methods.patchcore.patchcore import PatchCore
from processing.data.image_set import ImageSet
from processing.hdf5 import ArraySpec

QUANTILE = 0.995  # of the distances of good images, which the members agree on
MEDIAN = 0.5


@dataclass(kw_only=True, eq=False)
class Ensemble(FeatureMethod):
    """PaDiM and PatchCore on one pass of a backbone, or of each of several.

    A Gaussian at each position knows where a part has what, a bank of patches what it
    has anywhere: the one is better on parts that lie still, the other on textures and
    on parts that move. The map is the mean of theirs, each divided by the distance
    between the median and the 99.5 % quantile of its distances of good images that the
    members did not learn from.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: key of `backbones.BACKBONES`, or several, separated by commas.
        weights: see `FeatureMethod`, or one for each of several backbones, separated
            by commas.
        levels: see `FeatureMethod`; default: what each member takes.
        features: see `PaDiM`.
        coreset: see `PatchCore`.
        patches: see `PatchCore`.
        variance: see `PatchCore`.
        sigma: pixels, the blur of the maps.
        top: share of the map whose mean is the score of an image, see `image_scores`.
        fit_runtime: see `FeatureMethod`.
        seed: of the members.
    """

    strides = PaDiM.strides
    updatable = True
    clustered = True
    large_size = LARGE

    name: str = "ensemble"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    features: int | None = None
    coreset: float = PatchCore.coreset
    patches: int | None = None
    variance: float = PatchCore.variance
    top: float = TOP

    def __post_init__(self) -> None:
        super().__post_init__()
        self.backbones: dict[str, tuple[str, str]] = {}  # names and weights
        self.members: dict[str, Any] = {}
        pairs = backbones.with_weights(self.backbone, self.weights)
        for number, pair in enumerate(pairs, 1):
            end = str(number) if number > 1 else ""
            self.backbones[f"backbone{end}"] = pair
            self.members |= {f"{x}{end}": y for x, y in self._judges(*pair).items()}

    def _judges(self, backbone: str, weights: str) -> dict[str, Any]:
        """Return the members on the features of a backbone."""
        common: dict[str, Any] = {
            "image_shape": self.image_shape,
            "backbone": backbone,
            "weights": weights,
            "levels": self.levels,
            "fit_runtime": self.fit_runtime,
            "seed": self.seed,
        }
        bank = {key: getattr(self, key) for key in ("coreset", "patches", "variance")}
        return {
            "gaussian": PaDiM(**common, features=self.features),
            "bank": PatchCore(**common, **bank),
        }

    def check(self) -> None:
        for member in self.members.values():
            member.check()

    def build_backbone(self) -> None:
        shape = (*self.image_shape[:2], 3)
        self.networks = {
            key: backbones.build(name, shape, self._levels(name))
            for key, (name, _) in self.backbones.items()
        }

    def load_backbone(self) -> str:
        if self.weights == "random":
            keras.utils.set_random_seed(self.seed)
        self.build_backbone()
        digests = [
            backbones.load_weights(self.networks[key], *pair)
            for key, pair in self.backbones.items()
        ]
        return ",".join(digests)

    def _levels(self, backbone: str) -> list[str]:
        """Return the names of the levels that the members take of a backbone."""
        return backbones.choose(backbone, self.strides, self.levels)[1]

    def array_specs(self) -> dict[str, ArraySpec]:
        specs = super().array_specs() | {"scales": ArraySpec((len(self.members),))}
        self._give_arrays()
        for key, member in self.members.items():
            own = member.array_specs()
            del own["good_maximum"]
            for name, spec in own.items():
                rows = {f"{key}_{network}": n for network, n in spec.rows.items()}
                specs[f"{key}_{name}"] = replace(spec, rows=rows)
        return specs

    def build(self) -> None:
        self.build_backbone()
        self._share_backbone()
        self._give_arrays()
        for member in self.members.values():
            member.build()
        if "scales" in self.arrays:  # loaded
            self._take_networks()
            self.make_graph("ensemble")

    def fit(self, images: TrainingImages, run: Run | None = None) -> "Ensemble":
        started = time.perf_counter()
        digest = self.load_backbone()
        self._share_backbone()
        self.trained = {"weights_sha256": digest}
        for member in self.members.values():
            member.fit(images, run)
        return self._learned(images.validation, started)

    def update(self, images: TrainingImages, run: Run | None = None) -> "Ensemble":
        self.check_fitted()
        started = time.perf_counter()
        for member in self.members.values():
            member.update(images, run)
        return self._learned(images.validation, started)

    def without(self, good: ImageSet, left_out: Sequence[int]) -> "Ensemble":
        self.check_fitted()
        twin = self.twin()
        twin.members = {
            key: member.without(good, left_out) for key, member in self.members.items()
        }
        twin._take_networks()
        twin.make_graph("ensemble")
        return twin

    def _learned(self, validation: ImageSet, started: float) -> "Ensemble":
        """Take over what the members learned, and bring their maps to one scale."""
        self._take_networks()
        self.arrays = {"scales": self._scales(validation)}
        for key, member in self.members.items():
            self.arrays |= {f"{key}_{x}": y for x, y in member.arrays.items()}
            self.trained = member.trained | self.trained
        self.make_graph("ensemble")
        self.calibrate(validation)
        self.trained["seconds"] = time.perf_counter() - started
        return self

    def _scales(self, good: ImageSet) -> np.ndarray:
        """Return how far the distances of good images spread, for each member."""
        found = self.outputs(good, self._distances)
        scales = []
        for distances in zip(*found, strict=True):
            values = np.concatenate([np.ravel(x) for x in distances])
            low, high = np.quantile(values, (MEDIAN, QUANTILE))
            scales.append(high - low)
        return np.array(scales, np.float32)

    def _distances(self, maps: list[Any]) -> list[Any]:
        """Return the distances (n, h, w) that each member gives symbolic maps."""
        names = [name for name, _ in self.backbones.values()]
        keys = [(name, level) for name in names for level in self._levels(name)]
        known, found = dict(zip(keys, maps, strict=True)), []
        for key, member in self.members.items():
            taken = [known[member.backbone, x.name] for x in member.chosen_levels]
            inputs = [keras.Input(features.shape[1:]) for features in taken]
            # A network of its own: layers of members have the same names.
            judge = keras.Model(inputs, member.distances(inputs), name=key)
            found.append(judge(taken))
        return found

    def judged(self, maps: list[Any]) -> list[Any]:
        enlarged = [
            Enlarge(self.image_shape[:2], self.sigma, f"enlarge_{key}")(distances)
            for key, distances in zip(self.members, self._distances(maps), strict=True)
        ]
        weights = 1 / (len(enlarged) * self.arrays["scales"])
        mean = sum(x * float(w) for x, w in zip(enlarged, weights, strict=True))
        return [mean, image_scores(mean, self.top)]

    def _share_backbone(self) -> None:
        """Give each member the levels that it takes of its backbone."""
        names = [name for name, _ in self.backbones.values()]
        extracts = dict(zip(names, self.extracts(), strict=True))
        networks = dict(zip(names, self.own_backbones().values(), strict=True))
        for member in self.members.values():
            name = member.backbone
            levels = self._levels(name)
            places = [levels.index(level.name) for level in member.chosen_levels]
            member.share(networks[name], extracts[name], places)

    def _give_arrays(self) -> None:
        """Give each member what it learned, out of `arrays`."""
        for key, member in self.members.items():
            member.arrays = {
                name.removeprefix(f"{key}_"): array
                for name, array in self.arrays.items()
                if name.startswith(f"{key}_")
            }

    def _take_networks(self) -> None:
        """Take over the networks of the members."""
        self.networks = self.own_backbones()
        for key, member in self.members.items():
            own = {f"{key}_{x}": y for x, y in member.networks.items()}
            del own[f"{key}_backbone"]
            self.networks |= own
