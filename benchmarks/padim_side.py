"""What both sides of `benchmarks.padim` share: images, clock, memory and metrics."""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from processing.data.dataset import scan_category
from processing.data.image_set import ImageSet

Judge = Callable[[ImageSet], Iterator[tuple[np.ndarray, np.ndarray]]]


class Arguments(NamedTuple):
    """The command line of a side."""

    category: Path
    backbone: str
    weights: str
    features: int
    size: int
    limit: int
    keep: Path

    @classmethod
    def parse(cls, argv: list[str]) -> "Arguments":
        """Take the words that `benchmarks.padim` passes."""
        category, backbone, weights, features, size, limit, keep = argv
        numbers = (int(features), int(size), int(limit))
        return cls(Path(category), backbone, weights, *numbers, Path(keep))

    @property
    def images(self) -> tuple[ImageSet, ImageSet]:
        """The good images to fit and the test images."""
        shape = (self.size, self.size, 3)
        category = scan_category(self.category, image_shape=shape, cache_bytes=2**26)
        count = min(self.limit or len(category.train), len(category.train))
        return category.train.subset(range(count)), category.test


def measure(
    arguments: Arguments, name: str, fit: Callable[[ImageSet], None], judge: Judge
) -> None:
    """Time fitting and scoring, write maps and scores, print the metrics as JSON.

    Args:
        arguments: of the command line.
        name: of the side.
        fit: takes the good images.
        judge: yields maps (n, h, w) and scores (n,) of images, in order.
    """
    train, test = arguments.images
    start = peak_bytes()
    started, busy = time.perf_counter(), time.process_time()
    fit(train)
    fitted = time.perf_counter()
    judged = list(judge(test))
    ended, busy = time.perf_counter(), time.process_time() - busy
    peak = peak_bytes()
    for number, part in enumerate(("maps", "scores")):
        values = np.concatenate([batch[number] for batch in judged])
        np.save(arguments.keep / f"{name}_{part}.npy", values)
    metrics = {
        "fit_seconds": fitted - started,
        "images_per_second": len(test) / (ended - fitted),
        "seconds": ended - started,
        "cpu_seconds": busy,
        "start_gb": start / 1e9,
        "peak_gb": peak / 1e9,
    }
    print(json.dumps(metrics))
    sys.stdout.flush()


def peak_bytes() -> int:
    """Return the most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
