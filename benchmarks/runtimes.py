"""Compare runtimes: how fast they judge the test images of models, and if in one way.

Of each model the runtimes judge by turns, in one process, with decoding; the fastest of
some rounds counts. What is compared with Keras are scores and verdicts.

Run from the repository root: python -m benchmarks.runtimes MODEL.hdf5 ...
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from methods.cli.parser import at_least
from methods.detector.settings import KERAS, RUNTIMES
from methods.engine.backend import load_backend

if TYPE_CHECKING:
    from methods.detector.judge import Judge
    from processing.data.image_set import ImageSet

COLUMNS = ("method", "size", "runtime", "images/s", "times Keras", "scores", "verdicts")


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each model in each runtime."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("models", type=Path, nargs="+", help="models that finetune.py was run on")
    results, help_ = Path("results"), "where finetune.py put its decisions"
    add("--results", type=Path, default=results, help=help_)
    add("--images", type=at_least(1), default=48, help="to judge, evenly drawn")
    add("--rounds", type=at_least(1), default=3, help="of each runtime")
    options = parser.parse_args(argv)
    load_backend()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for model in options.models:
        for cells in measure(model, options.results, options.images, options.rounds):
            print(f"| {' | '.join(cells)} |", flush=True)
    return 0


def measure(
    model: Path, results: Path, count: int, rounds: int
) -> list[tuple[str, ...]]:
    """Return the rows of a model."""
    from methods.detector.decisions import load_decided

    judges: dict[str, Judge] = {}
    for runtime in RUNTIMES:
        how = None, results, None, None, None, runtime
        judges[runtime], record, _ = load_decided(model, *how)
    test = judges[KERAS].detector.category(Path(record.folder), cache_bytes=0).test
    places = np.linspace(0, len(test) - 1, min(count, len(test))).round().astype(int)
    images = test.subset(places)
    known = {runtime: judged(judge, images) for runtime, judge in judges.items()}
    seconds = dict.fromkeys(judges, float("inf"))
    for _ in range(rounds):
        for runtime, judge in judges.items():
            start = perf_counter()
            judged(judge, images)
            seconds[runtime] = min(seconds[runtime], perf_counter() - start)
    scores, verdicts = known[KERAS]
    height, width, _ = judges[KERAS].detector.image_shape
    rows: list[tuple[str, ...]] = []
    for runtime, (theirs, said) in known.items():
        off = np.abs(theirs - scores).max() / np.abs(scores).max()
        rows.append(
            (
                record.method,
                f"{height}x{width}",
                runtime,
                f"{len(images) / seconds[runtime]:.1f}",
                f"{seconds[KERAS] / seconds[runtime]:.2f}",
                f"{off:.0e}",
                f"{(said == verdicts).sum()} of {len(images)}",
            )
        )
    return rows


def judged(judge: "Judge", images: "ImageSet") -> tuple[np.ndarray, np.ndarray]:
    """Return scores and verdicts of images."""
    verdicts = [(verdict.score, verdict.defective) for verdict in judge.judge(images)]
    scores, defective = zip(*verdicts, strict=True)
    return np.array(scores), np.array(defective)


if __name__ == "__main__":
    raise SystemExit(main())
