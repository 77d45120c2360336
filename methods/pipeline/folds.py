"""Maps of good images by a model that has not seen them, fold by fold."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from methods.detector.detector import Detector, Judged
from methods.detector.records import TrainingRecord
from processing.data.image_set import ImageSet
from processing.data.splits import Indices, split_folds

from .splitting import named


def held_out(
    detector: Detector, record: TrainingRecord, good: ImageSet, folds: int, kind: str
) -> tuple[ImageSet, Iterator[Judged]]:
    """Return all good images of a model, and what it says of them as of unseen ones.

    Each fold of those that it learned from is judged by `Method.without` them, the
    others by the model itself (cross-conformal prediction, Vovk 2015). Of a method
    that remembers shots, these alone were learned from.

    Args:
        detector: fitted.
        record: of the model, for one category.
        good: all good training images of the category.
        folds: how many, at least 2; there are fewer of fewer images.
        kind: of the maps.

    Raises:
        UsageError: a method that would have to be trained anew.
    """
    splits, method = record.splits, detector.method
    names = splits.shots if "shots" in method.needs else splits.fit
    learned = named(good, names)
    unseen = [name for name in splits.fit if name not in {*names}] + splits.validation
    groups, seed = learned.groups, method.seed
    parts = split_folds(len(learned), folds, seed=seed, groups=groups)
    parts = parts if len(parts) > 1 else []  # nothing would be left to judge by
    order = [names[i] for i in chain(*parts)] + unseen
    judged = chain(
        _judge_folds(detector, learned, parts, kind),
        detector.judge(named(good, unseen), kind) if unseen else (),
    )
    return named(good, order), judged


def _judge_folds(
    detector: Detector, learned: ImageSet, folds: Sequence[Indices], kind: str
) -> Iterator[Judged]:
    """Yield what is said of each fold by the method as if it had not seen it."""
    seen, tiles = detector.seen(learned), len(detector.preparation.tiling)
    for fold in folds:
        left_out = (fold[:, None] * tiles + np.arange(tiles)).ravel()
        method = detector.method.without(seen, left_out.tolist())
        yield from Detector(method, detector.preparation).judge(
            learned.subset(fold), kind
        )
