"""Print how many images of its test set a model judges in a second, once it is warm.

Files are read and decoded within that time, as in test.py; nothing is written.

Run from the repository root: python -m benchmarks.throughput MODEL
"""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from methods.engine.backend import load_backend

if TYPE_CHECKING:
    from methods.detector.detector import Detector, Judged
    from processing.data.image_set import ImageSet

AT_LEAST = 64  # images; smaller sets are judged several times


def main(argv: Sequence[str] | None = None) -> int:
    """Print images per second as one number."""
    (model,) = sys.argv[1:] if argv is None else argv
    load_backend()
    from methods.detector.model_file import load_model

    detector, record = load_model(Path(model))
    images = detector.category(Path(record.folder), cache_bytes=0).test
    print(f"{images_per_second(detector, images):.1f}")
    return 0


def images_per_second(
    detector: "Detector",
    images: "ImageSet",
    take: "Callable[[Judged], Any]" = lambda batch: None,
) -> float:
    """Return how many images are judged in a second; `take` gets each batch."""
    deque(islice(detector.judge(images), 1), maxlen=0)
    rounds = -(-AT_LEAST // len(images))
    start = perf_counter()
    for _ in range(rounds):
        deque(map(take, detector.judge(images)), maxlen=0)
    return rounds * len(images) / (perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
