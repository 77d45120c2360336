"""A table of labels that the user gave images, and what it changes of a decision."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from methods.detector.records import Splits
from methods.detector.results import Labels
from processing.data.copies import identical_files
from processing.data.dataset import Category
from processing.data.ground_truth import GOOD_CLASS, parts_of
from processing.data.image_set import GOOD, ImageSet
from processing.data.labels import below
from processing.data.listing import check_faults, some
from processing.data.scan import scan
from processing.data.tree import FoundImage
from processing.errors import UsageError, UserError
from processing.wording import count, printable

from .judging import without
from .splitting import named

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images to decide from, with what a table of labels says of them.

    Attributes:
        good: that the model did not learn from.
        finetuning: good and defective images of a search.
        record: of the labels; None if there are none of this category.
    """

    good: ImageSet
    finetuning: ImageSet
    record: Labels | None


@dataclass(frozen=True)
class Given:
    """A label that was given.

    Attributes:
        path: of the image.
        kind: "good", or a kind of defect.
        names: of the images of the category that have the same bytes, perhaps none.
    """

    path: Path
    kind: str
    names: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the image shows no defect."""
        return self.kind == GOOD_CLASS

    @property
    def name(self) -> str:
        """What results call the image."""
        return self.names[0] if self.names else str(self.path)


def read_labels(table: Path, skip_unreadable: bool = False) -> list[FoundImage]:
    """Return the images of a table of labels, one of those of the same bytes.

    Raises:
        UsageError: another file.
        UserError: no images, or volumes, or one image that is good and defective.
    """
    if table.suffix.lower() != ".csv" or not table.is_file():
        raise UsageError(
            "--labels: expected a table with the columns path and label, such as "
            f"labels.csv. Received: {printable(str(table))}"
        )
    found = scan(table)
    check_faults(table, found.faults, skip_unreadable)
    images = found.images
    if not images:
        raise UserError(f"--labels: {table} names no images")
    for image in images:
        if len(parts_of(image.path)) > 1:
            raise UserError(
                f"--labels: expected images of one slice. Received: {image.path}"
            )
    for copies in found.copies:
        if len({images[i].good for i in copies}) > 1:
            names = " = ".join(images[i].name for i in copies)
            raise UserError(f"--labels: {table}: good and defective: {names}")
    repeated = {i for copies in found.copies for i in copies[1:]}
    return [image for i, image in enumerate(images) if i not in repeated]


def with_labels(
    table: Path,
    category: Category,
    splits: Splits,
    good: ImageSet,
    finetuning: ImageSet,
    skip_unreadable: bool = False,
    several: bool = False,
) -> Labelled:
    """Return the images to decide from, corrected and extended by a table of labels.

    What is labelled good joins the good images, what is labelled defective those of the
    search, whose labels are corrected. Images are the same by their bytes. What the
    model learned from does not count, but good images that are in `good` already.

    Args:
        table: see `read_labels`.
        category: that the model judges.
        splits: of the model.
        good: images that it did not learn from, or that are judged as if it had not.
        finetuning: images of a search, perhaps none.
        skip_unreadable: leave out files that are not there.
        several: whether the model has other categories: only images below the folder
            of this one count.
    """
    images = read_labels(table, skip_unreadable)
    images = below(images, [category.scan.folder]) if several else images
    if not images:
        return Labelled(good, finetuning, None)
    fitted = named(category.train, splits.fit + splits.validation)
    sets = category.train, fitted, category.test, category.defective
    given = _matched(images, sets)
    learned = {*splits.fit, *splits.defective}
    judged, drawn = {*good.names}, {*finetuning.names}

    def counts(label: Given) -> bool:
        there = label.good and not judged.isdisjoint(label.names)
        return there or learned.isdisjoint(label.names)

    counted = list(filter(counts, given))
    searched = [x for x in counted if not (x.good and drawn.isdisjoint(x.names))]
    new = [x for x in counted if x.good and (judged | drawn).isdisjoint(x.names)]
    record = Labels(
        path=str(table.absolute()),
        sha256=hashlib.sha256(table.read_bytes()).hexdigest(),
        good=sum(x.good for x in counted),
        defective=sum(not x.good for x in counted),
        corrected=_corrected(given, sets),
        learned=len(given) - len(counted),
        contradicted=_contradicted(given, splits),
        test_files=_set_apart(given, category.test),
    )
    bad = [x for x in given if not x.good]
    return Labelled(
        _exchanged(good, bad, new), _exchanged(finetuning, given, searched), record
    )


def _matched(images: Sequence[FoundImage], sets: Sequence[ImageSet]) -> list[Given]:
    """Return the labels of images, with the names of the same images in some sets."""
    names = {x: name for s in sets for x, name in zip(s.paths, s.names, strict=True)}
    paths = [*(image.path for image in images), *names]
    same: dict[int, list[str]] = {}
    for first, *others in identical_files(paths):
        same[first] = [names[paths[i]] for i in others]
    return [
        Given(image.path, image.kind, tuple(same.get(i, ())))
        for i, image in enumerate(images)
    ]


def _exchanged(
    images: ImageSet, out: Sequence[Given], into: Sequence[Given]
) -> ImageSet:
    """Return images without those that some labels are for, and with others."""
    left = without(images, {name for label in out for name in label.names})
    return left.with_others(
        [x.path for x in into], [x.name for x in into], [x.kind for x in into]
    )


def _corrected(given: Sequence[Given], sets: Sequence[ImageSet]) -> int:
    """Return how many labels are others than those of the data set."""
    good = {
        name: label == GOOD
        for images in sets
        for name, label in zip(images.names, images.labels, strict=True)
    }
    return sum({good[name] for name in x.names} - {x.good} != set() for x in given)


def _contradicted(given: Sequence[Given], splits: Splits) -> list[str]:
    """Return the training images that were of the other kind when they were used."""
    good, defective = {*splits.fit, *splits.validation}, {*splits.defective}
    return [
        name
        for label in given
        for name in label.names
        if name in (defective if label.good else good)
    ]


def _set_apart(given: Sequence[Given], test: ImageSet) -> list[str]:
    """Return the test images that have a label, with those of their groups."""
    labelled = {name for label in given for name in label.names}
    pairs = list(zip(test.names, test.groups, strict=True))
    groups = {group for name, group in pairs if name in labelled}
    return [name for name, group in pairs if group in groups]


def report_labels(labels: Labels | None) -> None:
    """Say what labels change of a decision, if there are any."""
    if not labels:
        return
    log.info(
        "labels: %d good and %d defective images count, %d are corrected",
        labels.good,
        labels.defective,
        labels.corrected,
    )
    if labels.learned:
        images = count(labels.learned, "labelled image")
        log.info("%s left out, for the model learned from them", images)
    if names := labels.contradicted:
        log.warning(
            "warning: the model was trained with %s that the labels contradict (%s): "
            "train.py --labels trains one without them",
            count(len(names), "image"),
            printable(some(names)),
        )
