"""Measure few-shot detection over several draws of its shots.

Run from the repository root: python -m benchmarks.shots mvtec/bottle
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from methods.base import TrainingImages
from methods.cli.parser import at_least
from methods.engine.backend import load_backend
from processing.data.dataset import scan_category
from processing.data.image_set import ANOMALOUS, ImageSet
from processing.data.splits import split_validation


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row for each number of shots."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add, count = parser.add_argument, at_least(1)
    add("folder", type=Path, help="category folder with masks, such as mvtec/bottle")
    add("--shots", type=count, nargs="+", default=[1, 2, 4], help="numbers to try")
    add("--seeds", type=count, default=5, help="draws of each")
    add("--every", type=count, default=1, help="judge every n-th test image alone")
    add("--size", type=count, default=256, help="side of the images")
    add("--rotations", type=count, default=1, help="directions to remember them in")
    help_ = "a trained few-shot or unified model, to be given the shots of the folder"
    add("--model", type=Path, help=help_)
    args = parser.parse_args(argv)
    load_backend()
    size = (args.size, args.size, 3)
    if args.model:
        from methods.detector.model_file import load_model

        args.model = load_model(args.model)[0].method
        size = args.model.image_shape
    category = scan_category(args.folder, image_shape=size)
    test = category.test.subset(range(0, len(category.test), args.every))
    print("| shots | image AUROC | pixel AUROC | ready in |\n| --- | --- | --- | --- |")
    for shots in args.shots:
        seeds = range(args.seeds)
        rows = np.array([measure(category.train, test, shots, s, args) for s in seeds])
        image, pixel, _ = (
            f"{mean:.3f} ± {deviation:.3f}"
            for mean, deviation in zip(rows.mean(axis=0), rows.std(axis=0), strict=True)
        )
        print(
            f"| {shots} | {image} | {pixel} | {np.median(rows[:, 2]):.1f} s |",
            flush=True,
        )
    return 0


def measure(
    good: ImageSet, test: ImageSet, shots: int, seed: int, args: argparse.Namespace
) -> tuple[float, float, float]:
    """Return image AUROC, pixel AUROC and the seconds that fitting took."""
    from methods.components.map_blend import rank
    from methods.fewshot.fewshot import FewShot

    size = good.image_shape
    method = FewShot(image_shape=size, shots=shots, seed=seed, rotations=args.rotations)
    chosen, validation = split_validation(len(good), seed=seed)
    fit = good.subset(chosen)
    started = perf_counter()
    if args.model:
        remembered = fit.subset(method.support(len(fit)))
        method = args.model
        method.remember(remembered, None)
    else:
        method.fit(TrainingImages(fit, good.subset(validation[:1])))
    seconds = perf_counter() - started
    judged = [method.judge(batch) for batch in test.batches(16)]
    maps, scores = map(np.concatenate, zip(*judged, strict=True))
    masks = np.stack([test.mask(i) for i in range(len(test))])
    image = rank(test.labels == ANOMALOUS, scores)
    return image, rank(masks.ravel(), maps.ravel()), seconds


if __name__ == "__main__":
    sys.exit(main())
