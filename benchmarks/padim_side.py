"""What both sides of `benchmarks.padim` share: images, clock, memory and figures."""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.dataset import scan_category
from processing.images import ImageSet
from processing.metrics import PixelAuroc, auroc

Judge = Callable[[ImageSet], Iterator[tuple[np.ndarray, np.ndarray]]]


class Arguments(NamedTuple):
    """The command line of a side."""

    category: Path
    backbone: str
    weights: str
    features: int
    size: int
    limit: int
    keep: Path | None

    @classmethod
    def parse(cls, argv: list[str]) -> "Arguments":
        """Take the words that `benchmarks.padim` passes."""
        category, backbone, weights, features, size, limit, *keep = argv
        numbers = (int(features), int(size), int(limit))
        kept = Path(keep[0]) if keep else None
        return cls(Path(category), backbone, weights, *numbers, kept)


def measure(
    arguments: Arguments, name: str, fit: Callable[[ImageSet], None], judge: Judge
) -> None:
    """Time fitting and scoring and print the figures as JSON.

    Args:
        arguments: of the command line.
        name: of the side.
        fit: takes the good images.
        judge: yields maps (n, h, w) and scores (n,) of images, in order.
    """
    shape = (arguments.size, arguments.size, 3)
    category = scan_category(arguments.category, image_shape=shape, cache_bytes=2**26)
    train, test = category.train, category.test
    if arguments.limit:
        train = train.subset(range(min(arguments.limit, len(train))))
    started = time.perf_counter()
    fit(train)
    fitted = time.perf_counter()
    judged = list(judge(test))
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    maps = np.concatenate([maps for maps, _ in judged])
    scores = np.concatenate([scores for _, scores in judged])
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        np.save(arguments.keep / f"{name}_maps.npy", maps)
    figures = {
        "fit_seconds": fitted - started,
        "images_per_second": len(test) / (ended - fitted),
        "seconds": ended - started,
        "peak_gb": peak / 1e9,
        "image_auroc": auroc(test.labels, scores),
        "pixel_auroc": pixel_auroc(test, maps),
        "images": len(train),
    }
    print(json.dumps(figures))
    sys.stdout.flush()


def pixel_auroc(test: ImageSet, maps: np.ndarray) -> float | None:
    """Return the pixel AUROC of maps (n, h, w)."""
    pixels = PixelAuroc()
    for index, anomaly_map in enumerate(maps):
        pixels.update(test.mask(index)[None], anomaly_map[None])
    return pixels.result()
