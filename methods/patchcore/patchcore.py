"""PatchCore: distances of local features from a memory bank of good ones."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from methods.base import BATCH, Run, TrainingImages, labelled_defects
from methods.components.enlarge import Enlarge, on_grid
from methods.components.image_scores import TOP, image_scores
from methods.components.known_defects import defective_features, raised
from methods.components.levelled import Levelled
from methods.components.memory_bank import BLOCK, MemoryBank
from methods.components.memory_check import check_memory
from methods.components.sharded_method import ShardedMethod, shards, sharing
from methods.engine.progress_bar import tracked
from processing.data.image_set import ImageSet
from processing.errors import UsageError, UserError
from processing.hdf5 import ArraySpec

from .components import components
from .coreset import greedy_coreset
from .reweighting import Reweighting

CANDIDATES = 100_000  # patches that a coreset is chosen from, at most
NEIGHBOURHOOD = 3  # patches a side whose features are averaged
FINE = 16  # pixels, the stride that deeper levels go beyond
COARSE_WEIGHT = 0.7  # of these


@dataclass(kw_only=True, eq=False)
class PatchCore(ShardedMethod):
    """Nearest-neighbour distances of patches (Roth et al. 2022, arXiv 2106.08265).

    The features of each level are brought to a mean length of 1 over the image, in
    which little of a texture's contrast is left; see `levelled`. Levels beyond stride
    16, which see little detail, count 0.7. Of all features the principal components of
    the candidates are kept, in which neighbours are found several times as fast.

    Args:
        name: the method's name.
        image_shape: (h, w, c).
        backbone: see `FeatureMethod`.
        weights: see `FeatureMethod`.
        levels: see `FeatureMethod`; default: all of strides 8 to 32.
        coreset: share of the candidates that the bank keeps, (0, 1]. These are the
            patches of the good images, at most 100,000.
        patches: how many it keeps, in the place of `coreset`.
        variance: share of the candidates' variance that is kept in principal
            components, (0, 1]; 1 for all features, as they are.
        whiten: bring all components to variance 1.
        known_defects: how much a distance is raised by what a patch is nearer to those
            of defects than to good ones, see `known_defects.raised`; 0 needs no
            defective images.
        sigma: pixels, the blur of the maps.
        top: share of the map whose mean is the score of an image, see `image_scores`;
            0 for the paper's score, see `Reweighting`.
        fit_runtime: see `FeatureMethod`.
        seed: of the choice.
    """

    strides = (8, 32)
    updatable = True

    name: str = "PatchCore"
    image_shape: tuple[int, int, int] = (256, 256, 3)
    coreset: float = 0.05
    patches: int | None = None
    variance: float = 0.97
    whiten: bool = False
    known_defects: float = 0.0
    top: float = TOP

    @classmethod
    def recorded_config(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        # As all were before there was a choice.
        return {"variance": 1.0, "top": 0.0, **config}

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("defective",) if self.known_defects else ()

    def array_specs(self) -> dict[str, ArraySpec]:
        matrix = {"components": ArraySpec((self._features, None))}
        defects = {"defects": ArraySpec(kind="iu", rows={"defects": 1}, least=1)}
        return {
            **super().array_specs(),
            **(defects if self.known_defects else {}),
            **(matrix if self._reduced else {}),
            "images": ArraySpec(kind="iu", least=1),
            "kept": ArraySpec(kind="iu", rows={"bank": 1}, least=1),
            "sources": ArraySpec((self.arrays.get("kept"),), "iu", optional=True),
        }

    def check(self) -> None:
        super().check()
        for name in ("coreset", "variance"):
            if not 0 < (value := getattr(self, name)) <= 1:
                raise UsageError(
                    f"--{name} must be above 0, at most 1. Received: {value}"
                )

    def build(self) -> None:
        self.build_backbone()
        if "images" in self.arrays:  # loaded
            self._use()

    def arrange(self, maps: Sequence[Any]) -> Any:
        pool = keras.layers.AveragePooling2D(NEIGHBOURHOOD, strides=1, padding="same")
        weighted = [
            Levelled(COARSE_WEIGHT if level.stride > FINE else 1.0)(pool(features))
            for level, features in zip(self.chosen_levels, maps, strict=True)
        ]
        features = on_grid(weighted, self.grid)
        if "components" in self.arrays:
            features = ops.matmul(features, self.arrays["components"])
        return features

    @property
    def _reduced(self) -> bool:
        """Whether patches are kept in components, not in features as they are."""
        return self.variance < 1 or self.whiten

    @property
    def _features(self) -> int:
        """Return how many features a patch has before it is reduced."""
        return sum(level.channels for level in self.chosen_levels)

    def _fill(self, bank: np.ndarray, defects: np.ndarray) -> None:
        """Make the network that judges, with the patches (n, d) of its banks."""
        self.arrays["kept"] = np.array(len(bank))
        self.arrays.pop("defects", None)
        if len(defects):
            self.arrays["defects"] = np.array(len(defects))
        self._use()
        self.networks["bank"].bank.assign(bank)
        if len(defects):
            self.networks["defects"].bank.assign(defects)

    def distances(self, maps: Sequence[Any]) -> Any:
        *_, result = self._compared(self.arrange(maps))
        return ops.reshape(result, (-1, *self.grid))

    def _compared(self, features: Any) -> tuple[Any, Any, Any, Any]:
        """Compare symbolic features (n, h, w, d), of p positions, with the banks.

        Returns them as (n, p, d), and (n, p) each: their distances from the nearest
        good ones, the index of these, and the distances as known defects raise them.
        """
        positions, size = self.grid[0] * self.grid[1], features.shape[-1]
        queries = ops.reshape(features, (-1, size))
        distances, index = self.networks["bank"](queries)
        result = distances
        if known := self.networks.get("defects"):
            result = raised(distances, known(queries)[0], self.known_defects)
        return (
            ops.reshape(features, (-1, positions, size)),
            *(ops.reshape(x, (-1, positions)) for x in (distances, index, result)),
        )

    def _use(self) -> None:
        """Make the network that judges with banks of as many features as there are."""
        self.networks["bank"] = MemoryBank(int(self.arrays["kept"]))
        self.networks.pop("defects", None)
        if count := int(self.arrays.get("defects", 0)):
            self.networks["defects"] = MemoryBank(count, "defects")
        self.make_graph("patchcore")

    def judged(self, maps: list[Any]) -> list[Any]:
        queries, distances, index, result = self._compared(self.arrange(maps))
        cells = ops.reshape(result, (-1, *self.grid))
        enlarged = Enlarge(self.image_shape[:2], self.sigma)(cells)
        if self.top:
            return [enlarged, image_scores(enlarged, self.top)]
        reweighted = Reweighting(self.networks["bank"])
        return [enlarged, reweighted(queries, distances, index, result)]

    def fit(self, images: TrainingImages, run: Run | None = None) -> "PatchCore":
        started = time.perf_counter()
        self.trained = {"weights_sha256": self.load_backbone()}
        self.arrays.pop("components", None)
        return self._learn(images, None, started, run)

    def update(self, images: TrainingImages, run: Run | None = None) -> "PatchCore":
        self.check_fitted()
        bank = np.asarray(self.networks.pop("bank").bank)
        return self._learn(images, bank, time.perf_counter(), run)

    def without(self, good: ImageSet, left_out: Sequence[int]) -> "PatchCore":
        """See `Method.without`: the bank is left without the patches of these images.

        What a coreset of the other images alone had chosen in their place is not in it:
        the maps are rather higher than those of a model trained anew.
        """
        self.check_fitted()
        sources = self.arrays.get("sources", np.array(-1))
        if sources.min() < 0 or len(good) != self.arrays["images"]:
            raise UserError(
                f"--folds: expected a model of {len(good)} images that knows which of "
                "them its patches are of: train it anew"
            )
        images = np.setdiff1d(np.arange(len(good)), left_out)
        stay = ~np.isin(sources, left_out)
        if not stay.any():
            raise UserError("--folds: expected more folds: no patch is left of a bank")
        bank = np.asarray(self.networks["bank"].bank)[stay]
        known = self.networks.get("defects")
        twin = self.twin()
        twin.arrays["images"] = np.array(len(images))
        twin.arrays["sources"] = np.searchsorted(images, sources[stay]).astype(np.int32)
        twin._fill(bank, np.asarray(known.bank) if known else bank[:0])
        return twin

    def _learn(
        self,
        images: TrainingImages,
        bank: np.ndarray | None,
        started: float,
        run: Run | None,
    ) -> "PatchCore":
        """Choose the bank from an older `bank` and the patches of good images."""
        count = len(images.good) + int(self.arrays.get("images", 0))
        if len(images.good):
            bank = self._choose(images.good, count, bank, run)
        assert bank is not None
        self.arrays["images"] = np.array(count)
        defects = bank[:0]
        if self.known_defects:
            defects = self._defects(labelled_defects(images), bank)
        self._fill(bank, defects)
        self.calibrate(images.validation)
        self.trained |= {
            "images": count,
            "patches": len(bank),
            "defects": len(defects),
            "seconds": time.perf_counter() - started,
        }
        return self

    def _choose(
        self, good: ImageSet, count: int, bank: np.ndarray | None, run: Run | None
    ) -> np.ndarray:
        """Return the patches to keep of `count` good images, and record their sources.

        Those of earlier images are in `bank`.
        """
        candidates = self._candidates(good, bank, run)
        if self._reduced and bank is None:
            self.arrays["components"] = components(
                candidates, self.variance, self.whiten
            )
            candidates = candidates @ self.arrays["components"]
        offered = min(count * self.grid[0] * self.grid[1], CANDIDATES)
        wanted = self.patches or round(self.coreset * offered)
        kept = max(1, min(wanted, len(candidates)))
        first = int(np.random.default_rng(self.seed).integers(len(candidates)))
        picks = greedy_coreset(candidates, kept, first)
        chosen = np.array(list(tracked(picks, kept, "coreset")))
        self.arrays["sources"] = self._sources(len(good), len(candidates), bank)[chosen]
        return candidates[chosen]

    def _defects(self, defective: ImageSet, bank: np.ndarray) -> np.ndarray:
        """Return the patches (n, d) of defects, as many as `bank` has at most."""
        good = MemoryBank(len(bank))
        good.build(bank.shape)
        good.bank.assign(bank)
        [found] = defective_features(defective, self.function(self.arrange), [good])
        if len(found) > len(bank):
            found = found[list(greedy_coreset(found, len(bank), 0))]
        return found

    def _candidates(
        self, train: ImageSet, bank: np.ndarray | None, run: Run | None
    ) -> np.ndarray:
        """Return the patches to choose from: `bank`, and equally many of each image.

        float32 (n, d), n at most `CANDIDATES` or the number of images.
        """
        size = self._features if bank is None else bank.shape[1]
        older = 0 if bank is None else len(bank)
        height, width = self.grid
        share = max(1, min(height * width, (CANDIDATES - older) // len(train)))
        needed = self._check_memory((older + share * len(train)) * size * 4)
        candidates = np.empty((older + share * len(train), size), np.float32)
        if bank is not None:
            candidates[:older] = bank
        rng = np.random.default_rng(self.seed)
        drawn = np.stack([rng.permutation(height * width)[:share] for _ in train.names])
        drawn.sort(axis=1)
        if address := sharing(run, train):
            parts = shards(self, train, drawn, address, needed)
        else:
            parts = self._patches(train, drawn)
        filled = older
        for patches in parts:
            candidates[filled : filled + len(patches)] = patches
            filled += len(patches)
        return candidates

    def _sources(
        self, added: int, candidates: int, bank: np.ndarray | None
    ) -> np.ndarray:
        """Return the number (n,) of the good image that each candidate is of.

        Of a bank of an earlier version, that does not know its own, -1.
        """
        older = 0 if bank is None else len(bank)
        known = self.arrays.get("sources", np.full(older, -1)) if older else np.empty(0)
        first = int(self.arrays.get("images", 0)) if older else 0
        new = np.repeat(np.arange(added), (candidates - older) // added)
        return np.concatenate([known, first + new]).astype(np.int32)

    def _patches(self, images: ImageSet, drawn: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the patches (n, d) of each image whose numbers are in `drawn`."""
        rows = iter(drawn)
        for features in self.embedded(images):
            for patches in features.reshape(len(features), -1, features.shape[-1]):
                yield patches[next(rows)]

    def shard(self, images: ImageSet, start: int, given: np.ndarray) -> np.ndarray:
        drawn = given[start : start + len(images)]
        return np.concatenate(list(self._patches(images, drawn)))

    def _check_memory(self, candidates: int) -> int:
        """Return about how many bytes are needed for `candidates` bytes of patches."""
        height, width = self.grid
        compared = 2 * 4 * BLOCK * BATCH * height * width
        needed = 2 * candidates + compared + self.backbone_bytes()
        advice = "expected less with --size, or without the shallowest of --levels"
        check_memory(needed, advice)
        return needed
