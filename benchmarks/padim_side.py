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
from processing.metrics import image_figures
from processing.pixel_metrics import PixelMetrics

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
    start = peak_bytes()
    started, busy = time.perf_counter(), time.process_time()
    fit(train)
    fitted = time.perf_counter()
    judged = list(judge(test))
    ended, busy = time.perf_counter(), time.process_time() - busy
    peak = peak_bytes()
    maps = np.concatenate([maps for maps, _ in judged])
    scores = np.concatenate([scores for _, scores in judged])
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        np.save(arguments.keep / f"{name}_maps.npy", maps)
    figures = {
        "fit_seconds": fitted - started,
        "images_per_second": len(test) / (ended - fitted),
        "seconds": ended - started,
        "cpu_seconds": busy,
        "start_gb": start / 1e9,
        "peak_gb": peak / 1e9,
        "images": len(train),
        **image_figures(test.labels, scores),
        **pixel_figures(test, maps),
    }
    print(json.dumps(figures))
    sys.stdout.flush()


def peak_bytes() -> int:
    """Return the most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def pixel_figures(test: ImageSet, maps: np.ndarray) -> dict[str, float | str]:
    """Return the figures of maps (n, h, w) of all test images."""
    pixels = PixelMetrics()
    for index, anomaly_map in enumerate(maps):
        pixels.update(anomaly_map, test.mask(index))
    return pixels.figures()
