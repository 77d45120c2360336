"""Compare the goals of a decision over random splits: what is promised, what is kept.

Run from the repository root: python -m benchmarks.decisions MODEL.hdf5 ...

The validation images of each model and the images of its test set are judged once and
kept below `--results`. Each split draws as many good images to decide from as
`finetune.py` has, a tenth of the defective ones, and tests on all others. With --folds
the good images that the model learned from decide, too, in each split all of them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from methods.detector.categories import load_kept
from methods.pipeline.curves import Curves
from methods.pipeline.finetuning import CACHE_BYTES, GOAL_AREA, LARGEST_AREA
from methods.pipeline.folds import UNSEEN, Folds
from methods.pipeline.splitting import named
from processing.data.image_set import ANOMALOUS
from processing.decision.calibration import GoodImages
from processing.decision.goals import VALIDATION_MAX, Goal, find_pair
from processing.decision.promise import LEVEL_OF_CHOICE, upper_bound
from processing.decision.regions import AreaCurve, FloatArray
from processing.decision.search import find_decision

GOALS = (
    Goal(VALIDATION_MAX),
    Goal(),
    Goal("max-false-alarms", 0.1),
    Goal("max-false-alarms", 0.05),
    Goal("min-recall", 0.8),
    Goal("cost", miss=20, false_alarm=1, defect_rate=0.02),
)
SHARE = 0.1  # of the test set that decides


class Images(NamedTuple):
    """Curves of images, and their critical thresholds up to the area of goals."""

    curves: list[AreaCurve]
    table: FloatArray

    def part(self, indices: np.ndarray) -> "Images":
        """Return some of the images."""
        return Images([self.curves[i] for i in indices], self.table[indices])

    def joined(self, other: "Images") -> "Images":
        """Return these images, and others behind them."""
        tables = np.concatenate([self.table, other.table])
        return Images(self.curves + other.curves, tables)


class Outcome(NamedTuple):
    """Of one split: rates in the test part, and their bounds."""

    false_alarms: float
    misses: float
    alarm_bound: float
    miss_bound: float


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each model."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL")
    parser.add_argument("--splits", type=int, default=100)
    parser.add_argument("--images", type=int, default=150, help="of each kind, at most")
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=0, help="as of finetune.py")
    options = parser.parse_args(argv)
    for model in options.models:
        learned, validation, good, defective, max_area = judged(model, options)
        print(
            f"\n{model}: {len(learned.curves)} images in folds, "
            f"{len(validation.curves)} validation, {len(good.curves)} good "
            f"and {len(defective.curves)} defective test images; "
            f"{options.splits} splits"
        )
        print(HEAD)
        for goal in GOALS:
            rng = np.random.default_rng(options.seed)  # the same splits for each
            outcomes = [
                split(rng, learned, validation, good, defective, goal, max_area)
                for _ in range(options.splits)
            ]
            print(row(goal, outcomes))
    return 0


def judged(
    model: Path, options: argparse.Namespace
) -> tuple[Images, Images, Images, Images, int]:
    """Return images in folds, of validation, good and defective ones, largest area."""
    detector, record, kept = load_kept(model, None, options.results)
    folder, splits = Path(record.folder), record.splits
    category = detector.category(folder, CACHE_BYTES, splits.test, splits.labels)
    height, width, _ = detector.image_shape
    max_area = height * width // LARGEST_AREA
    kind = detector.method.default_kind
    settings = detector, kind, "float64", False, max_area, kept

    def images(chosen, folds: Folds | None = None) -> Images:
        found = list(Curves(*settings, folds).of(chosen))
        areas = height * width // GOAL_AREA
        table = [x.critical_thresholds(areas) for x in found]
        return Images(found, np.reshape(table, (len(found), areas)))

    test, rng = category.test, np.random.default_rng(options.seed)
    bad = test.labels == ANOMALOUS
    parts = [
        np.sort(rng.permutation(np.flatnonzero(part))[: options.images])
        for part in (~bad, bad)
    ]
    validation = images(named(category.train, record.splits.validation))
    learned = images(category.train.subset([]))
    if options.folds:
        seed = detector.method.seed
        folds = Folds.of(category.train, record.splits, options.folds, seed)
        seen = [i for i, x in enumerate(folds.images.names) if folds.fold[x] != UNSEEN]
        learned = images(folds.images.subset(seen), folds)
    return learned, validation, *(images(test.subset(x)) for x in parts), max_area


def split(
    rng: np.random.Generator,
    learned: Images,
    validation: Images,
    good: Images,
    defective: Images,
    goal: Goal,
    max_area: int,
) -> Outcome:
    """Decide on a part of the images, drawn at random, and test on all others.

    Those that the model learned from, `learned`, perhaps none, decide as well.
    """
    pool = validation.joined(good)
    known, chosen = len(validation.curves), max(2, round(SHARE * len(good.curves)))
    order, others = (rng.permutation(len(x.curves)) for x in (pool, defective))
    found = max(2, round(SHARE * len(others)))
    tuning = pool.part(order[known : known + chosen])
    seen = learned.joined(pool.part(order[:known]))
    defects = defective.part(others[:found])
    if goal.name == VALIDATION_MAX:
        labels = [0] * chosen + [1] * found
        curves = tuning.curves + defects.curves
        result = find_decision(GoodImages.of(seen.curves, max_area), curves, labels)
    else:
        result = find_pair(seen.joined(tuning).table, defects.table, goal)
    decision = result.decision

    def called(curves: Sequence[AreaCurve]) -> int:
        areas = [int(curve.area_at(decision.threshold)) for curve in curves]
        return sum(area >= decision.min_area for area in areas)

    tested = pool.part(order[known + chosen :]), defective.part(others[found:])
    n, m = (len(part.curves) for part in tested)
    alarms = called(seen.curves) + called(tuning.curves)
    return Outcome(
        called(tested[0].curves) / n,
        1 - called(tested[1].curves) / m,
        upper_bound(alarms, len(seen.curves) + chosen, LEVEL_OF_CHOICE),
        upper_bound(found - called(defects.curves), found, LEVEL_OF_CHOICE),
    )


HEAD = (
    "| goal | false alarms | promised | kept | misses | promised | kept | "
    "balanced score |\n" + "|---" * 8 + "|"
)


def row(goal: Goal, outcomes: Sequence[Outcome]) -> str:
    """Return a line of the table: means over the splits, and shares of them.

    A promise is kept if the rate in the test part is at most what was promised.
    """
    table = np.array(outcomes)
    alarms, misses, alarm_bound, miss_bound = table.T
    cells = []
    for rate, bound in ((alarms, alarm_bound), (misses, miss_bound)):
        kept = (rate <= bound).mean()
        cells += [f"{rate.mean():.3f}", f"{bound.mean():.3f}", f"{kept:.0%}"]
    balanced = 1 - (alarms + misses) / 2
    error = balanced.std() / len(balanced) ** 0.5
    return f"| {goal} | {' | '.join(cells)} | {balanced.mean():.3f} ± {error:.3f} |"


if __name__ == "__main__":
    raise SystemExit(main())
