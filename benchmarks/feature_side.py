"""One measurement of `benchmarks.feature_speed`: ours, of this or of another commit.

It is run as a file, with the folder of a commit as PYTHONPATH, and takes from there
what commits have in common.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 8  # images that are judged at once
Batches = Iterable[tuple[np.ndarray, np.ndarray]]  # maps and scores
Judge = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def main(folder: str, method: str, size: str, runtime: str) -> None:
    """Fit a method of ours and judge the test images."""
    from methods.engine import backend

    if hasattr(backend, "spare_imports"):  # of older commits not
        backend.spare_imports()
    backend.load_backend()
    import methods
    from methods.base import TrainingImages

    options = {} if runtime == "keras" else {"fit_runtime": runtime}
    shape = (int(size), int(size), 3)
    fitted = methods.get(method)(name=method, image_shape=shape, **options)

    def fit(train: Any) -> Judge:
        validation = train.subset(range(0, len(train), 10))
        rest = train.subset(i for i in range(len(train)) if i % 10)
        fitted.fit(TrainingImages(rest, validation))
        if runtime == "keras":
            return fitted.judge
        from methods.detector.kept import Kept
        from methods.detector.runtime import on_runtime

        return on_runtime(fitted, runtime, Kept()).judge

    measure(folder, int(size), fit)


def measure(folder: str, size: int, fit: Callable[[Any], Judge]) -> None:
    """Print what fitting and judging take, and the scores, as JSON.

    Args:
        folder: of the category.
        size: of the images, in pixels.
        fit: takes the good images, returns what judges a batch (n, h, w, c) of others.
    """
    from processing.data.dataset import scan_category

    shape = (size, size, 3)
    category = scan_category(Path(folder), image_shape=shape, cache_bytes=2**30)
    files = category.test.uncached()
    start = peak_bytes()
    wall, busy = time.perf_counter(), time.process_time()
    judge = fit(category.train)
    fit_seconds = time.perf_counter() - wall
    fit_busy = time.process_time() - busy
    decoded = list(category.test.batches(BATCH))
    for batch in (decoded[0], decoded[-1]):
        judge(batch)  # networks are compiled for each size, graphs are written
    wall, busy = time.perf_counter(), time.process_time()
    scores = np.concatenate([judge(batch)[1] for batch in decoded])
    seconds, judge_busy = time.perf_counter() - wall, time.process_time() - busy
    wall = time.perf_counter()
    for batch in files.batches(BATCH):
        judge(batch)
    result = {
        "fit_seconds": fit_seconds,
        "fit_busy": fit_busy,
        "decoded": len(scores) / seconds,
        "busy": judge_busy / len(scores),
        "files": len(scores) / (time.perf_counter() - wall),
        "start_gb": start / 1e9,
        "peak_gb": peak_bytes() / 1e9,
        "scores": scores.tolist(),
        "labels": category.test.labels.tolist(),
    }
    print(json.dumps(result), flush=True)


def peak_bytes() -> int:
    """Return the most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
