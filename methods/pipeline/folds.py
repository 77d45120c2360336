"""Maps of good images by a model that has not seen them, fold by fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from methods.detector.detector import Detector, Judged
from methods.detector.records import Splits
from processing.data.image_set import ImageSet
from processing.data.splits import split_folds

from .splitting import named

UNSEEN = -1  # the fold of images that the model did not learn from


@dataclass(frozen=True, eq=False)
class Folds:
    """The good images of a model, each with the fold that is judged without it.

    Each fold of those that it learned from is judged by `Method.without` them, the
    others by the model itself (cross-conformal prediction, Vovk 2015). Of a method that
    remembers shots, these alone were learned from.

    Attributes:
        count: of folds, as it was asked for.
        images: to judge, fold by fold, the others last.
        learned: those that the model learned from.
        fold: of each of `images`, by name.
    """

    count: int
    images: ImageSet
    learned: ImageSet
    fold: dict[str, int]

    @classmethod
    def of(cls, good: ImageSet, splits: Splits, count: int, seed: int) -> "Folds":
        """Deal the images out.

        Args:
            good: all good training images of the category.
            splits: of the model.
            count: of folds, at least 2; there are fewer of fewer images.
            seed: of the model.
        """
        names = splits.shots or splits.fit
        learned = named(good, names)
        parts = split_folds(len(learned), count, seed=seed, groups=learned.groups)
        if len(parts) == 1:  # nothing would be left to judge it by
            parts = []
        fold = {names[i]: k for k, part in enumerate(parts) for i in part}
        others = [x for x in splits.fit if x not in {*names}] + splits.validation
        images = named(good, [*fold, *others])
        return cls(count, images, learned, fold | dict.fromkeys(others, UNSEEN))

    def judge(
        self, detector: Detector, images: ImageSet, kind: str
    ) -> Iterator[Judged]:
        """Yield what is said of some of `images`, or of new ones, in their order.

        Raises:
            UsageError: a method that would have to be trained anew.
        """
        start = 0
        for fold, members in groupby(
            self.fold.get(name, UNSEEN) for name in images.names
        ):
            stop = start + len(list(members))
            judging = self._without(detector, fold)
            yield from judging.judge(images.subset(range(start, stop)), kind)
            start = stop

    def _without(self, detector: Detector, fold: int) -> Detector:
        """Return the detector as if it had not seen a fold."""
        if fold == UNSEEN:
            return detector
        names = self.learned.names
        out = [i for i, name in enumerate(names) if self.fold.get(name) == fold]
        return leaving_out(detector, self.learned, out)


def leaving_out(detector: Detector, learned: ImageSet, out: Sequence[int]) -> Detector:
    """Return a detector as if it had not seen some images, see `Method.without`.

    Args:
        detector: that learned from the images.
        learned: all of them, in order.
        out: indices of those that it is not to know.
    """
    tiles = len(detector.preparation.tiling)
    left_out = [range(i * tiles, (i + 1) * tiles) for i in out]
    method = detector.method.without(detector.seen(learned), [*chain(*left_out)])
    return Detector(method, detector.preparation)
