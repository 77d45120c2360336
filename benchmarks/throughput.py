"""Print how many images of its test set a model judges in a second, once it is warm.

Files are read and decoded within that time, as in test.py; nothing is written.

Run from the repository root: python -m benchmarks.throughput MODEL
"""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter

from methods.engine.backend import load_backend

AT_LEAST = 64  # images; smaller sets are judged several times


def main(argv: Sequence[str] | None = None) -> int:
    """Print images per second as one number."""
    (model,) = sys.argv[1:] if argv is None else argv
    load_backend()
    from methods.detector.model_file import load_model

    detector, record = load_model(Path(model))
    images = detector.category(Path(record.folder), cache_bytes=0).test
    for _ in islice(detector.judge(images), 1):
        pass
    rounds = -(-AT_LEAST // len(images))
    start = perf_counter()
    for _ in range(rounds):
        for _ in detector.judge(images):
            pass
    print(f"{rounds * len(images) / (perf_counter() - start):.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
