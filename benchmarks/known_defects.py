"""Measure what known defects are worth, on defects that are not among them.

Run from the repository root: python -m benchmarks.known_defects PATCHCORE.hdf5 ...

Each draw labels some defects of a model's test set, with masks and without, and judges
the other images; a tenth of these decides a threshold of the scores for the others.
Then the labelled defects are of one kind, and those that are judged of all others. The
features of the images are made once and kept in `--features`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from methods.cli.parser import at_least
from methods.engine.backend import load_backend
from processing.data.image_set import ANOMALOUS, GOOD
from processing.data.splits import split_finetuning
from processing.metrics.image_metrics import Confusion, image_metrics
from processing.metrics.pixel_metrics import PixelMetrics

HEAD = """
| labelled defects | masks | share | image AUROC | AUPRO | balanced score |
|---|---|---|---|---|---|"""
SIDE = 4  # of the squares of pixels that maps and masks are measured in


class Judged:
    """The test images of a model, and what PatchCore knows of their patches.

    Attributes:
        features: (n, p, d) of all patches.
        distances: (n, p) from the nearest good feature.
        weights: (n, p) that the score of an image gives to each distance.
    """

    def __init__(self, model: Path, options: argparse.Namespace):
        from methods.components.enlarge import Enlarge
        from methods.detector.model_file import load_model

        detector, record = load_model(model)
        self.method, splits = detector.method, record.splits
        place = Path(record.folder), 0, splits.test, splits.labels
        test, rng = detector.category(*place).test, np.random.default_rng(0)
        chosen = [
            np.sort(rng.permutation(np.flatnonzero(test.labels == x))[: options.images])
            for x in (GOOD, ANOMALOUS)
        ]
        self.images = test.subset(np.concatenate(chosen))
        self.masks = [self.images.mask(i) for i in range(len(self.images))]
        self.labels, self.kinds = self.images.labels, np.array(self.images.classes)
        self.enlarge = Enlarge(self.method.image_shape[:2], self.method.sigma)
        kept = options.features / f"{record.id}-{options.images}.npz"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, *self._known())
        self.features, self.distances, self.weights = np.load(kept).values()

    def _known(self) -> list[np.ndarray]:
        """Return `features`, `distances` and `weights`."""
        from methods.components.memory_bank import NEIGHBOURS

        bank, known = self.method.networks["bank"], []
        for batch in self.method.embedded(self.images):
            for patches in batch.reshape(len(batch), -1, batch.shape[-1]):
                apart, index = map(np.asarray, bank(patches))
                around = np.asarray(bank.neighbours(index, NEIGHBOURS))
                others = np.linalg.norm(around - patches[:, None], axis=-1)
                weights = 1 - np.exp(apart) / np.exp(others).sum(axis=1)
                known.append((patches.astype(np.float16), apart, weights))
        return [np.stack(values) for values in zip(*known, strict=True)]

    def to_defects(
        self, labelled: np.ndarray, masks: bool, judged: np.ndarray
    ) -> np.ndarray:
        """Return how far patches (n, p) of judged images are from labelled defects."""
        from methods.components.known_defects import defective_cells
        from methods.components.memory_bank import MemoryBank

        found = []
        for i in labelled:
            mask = self.masks[i] if masks else None
            cells = defective_cells(mask, self.distances[i], self.method.grid)
            found.append(self.features[i][cells].astype(np.float32))
        defects = MemoryBank(sum(map(len, found)))
        defects.build((None, self.features.shape[-1]))
        defects.bank.assign(np.concatenate(found))
        patches = (self.features[i].astype(np.float32) for i in judged)
        return np.stack([np.asarray(defects(x)[0]) for x in patches])

    def measure(
        self, distances: np.ndarray, judged: np.ndarray, seed: int
    ) -> list[float]:
        """Return image AUROC, AUPRO and balanced score of judged images."""
        places, rows = distances.argmax(axis=1), np.arange(len(judged))
        scores = distances[rows, places] * self.weights[judged][rows, places]
        labels, kinds = self.labels[judged], self.kinds[judged]
        maps = distances.reshape(-1, *self.method.grid).astype(np.float32)
        pixels = PixelMetrics()
        for i, found in zip(judged, np.asarray(self.enlarge(maps)), strict=True):
            step = slice(SIDE // 2, None, SIDE)
            pixels.update(found[step, step], self.masks[i][step, step])
        decide, rest = split_finetuning(labels, kinds, seed=seed)
        thresholds = np.sort(scores[decide])
        thresholds = (thresholds[:-1] + thresholds[1:]) / 2
        balanced = [
            Confusion.count(labels[decide], scores[decide] > x).balanced
            for x in thresholds
        ]
        verdicts = scores[rest] > thresholds[int(np.argmax(balanced))]
        found_rate = Confusion.count(labels[rest], verdicts).balanced
        auroc = image_metrics(labels, scores)["image_auroc"]
        return [float(auroc), float(pixels.metrics()["aupro"]), float(found_rate)]


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each model."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add, count = parser.add_argument, at_least(1)
    add("models", nargs="+", type=Path, metavar="MODEL", help="of PatchCore")
    add("--defects", type=count, nargs="+", default=[3, 10], help="labelled ones")
    add("--share", type=float, nargs="+", default=[1.0], help="of --known-defects")
    add("--draws", type=count, default=5, help="of labelled defects")
    add("--images", type=count, default=150, help="of each label, at most")
    add("--features", type=Path, default=Path("features"), help="where they are kept")
    options = parser.parse_args(argv)
    load_backend()
    for model in options.models:
        images = Judged(model, options)
        kinds = sorted({*images.kinds[images.labels == ANOMALOUS]})
        print(f"\n{model}: {len(images.labels)} images, {', '.join(kinds)}\n{HEAD}")
        for defects in options.defects:
            table(images, "", defects, options)
        for kind in kinds:
            table(images, kind, options.defects[0], options)
    return 0


def table(images: Judged, kind: str, defects: int, options: argparse.Namespace) -> None:
    """Print the rows of some labelled defects, of one kind that is then not judged."""
    from methods.components.known_defects import raised

    defective = images.labels == ANOMALOUS
    named = defective & (images.kinds == kind) if kind else defective
    for masks in (True, False):
        rows: dict[float, list[list[float]]] = {}
        for seed in range(options.draws):
            rng = np.random.default_rng(seed)
            labelled = rng.permutation(np.flatnonzero(named))[:defects]
            out = np.flatnonzero(named) if kind else labelled
            judged = np.setdiff1d(np.arange(len(defective)), out)
            to_defects = images.to_defects(labelled, masks, judged)
            for share in (0.0, *options.share):
                distances = raised(images.distances[judged], to_defects, share)
                measured = images.measure(np.asarray(distances), judged, seed)
                rows.setdefault(share, []).append(measured)
        name = f"{defects} of {kind}, others judged" if kind else f"{defects}"
        for share, values in rows.items():
            spread = zip(np.mean(values, axis=0), np.std(values, axis=0), strict=True)
            cells = [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in spread]
            shown = "–" if not share else "yes" if masks else "no"
            if share or masks:
                print(f"| {name} | {shown} | {share:g} | {' | '.join(cells)} |")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
