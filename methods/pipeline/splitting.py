"""Which images are fitted, validated, remembered and learned from."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from methods.base import Method, check_defective, no_labelled_defects
from methods.detector.records import Splits, TrainingRecord
from methods.detector.results import FinetuningResult
from processing.data.dataset import Category, category_folder
from processing.data.image_set import ANOMALOUS, ImageSet
from processing.data.splits import (
    VALIDATION,
    Indices,
    split_finetuning,
    split_validation,
)
from processing.decoding.medical import file_of
from processing.errors import UsageError, UserError
from processing.wording import count

log = logging.getLogger(__name__)


def split(
    method: Method, good: ImageSet, category: Category, share: float | None = None
) -> Splits:
    """Return the names of the good images to fit, to validate and to remember.

    Those of the test set are recorded, too, if they were drawn.

    Args:
        method: that is to learn.
        good: the training images of `category` that can be used.
        category: whose own validation images are taken, if it has any.
        share: of the good images that is to validate; None for `VALIDATION`.
    """
    check_count(good, category.scan.folder)
    fit, validation = split_good(good, category, method.seed, share)
    parts = {"fit": fit, "validation": validation}
    if "shots" in method.needs:
        parts["shots"] = fit[method.support(len(fit))]
    names: dict[str, Any] = {
        key: [good.names[i] for i in part] for key, part in parts.items()
    }
    drawn = list(category.test.names) if category.drawn else []
    return Splits(**names, test=drawn)


def split_good(
    good: ImageSet, category: Category, seed: int, share: float | None = None
) -> tuple[Indices, Indices]:
    """Return the indices of the good images to fit and to validate; see `split`."""
    apart = np.isin(good.names, category.validation)
    if apart.any() and not apart.all():
        if share is not None:
            raise UsageError(
                f"--validation: {category.scan.folder} has {apart.sum()} validation "
                f"images of its own. Received: {share}"
            )
        return np.flatnonzero(~apart), np.flatnonzero(apart)
    share = VALIDATION if share is None else share
    return split_validation(len(good), share, seed=seed, groups=good.groups)


def check_others(folder: Path, good: int, shots: int) -> None:
    """Raise `UserError` unless there are more good images than shots, to decide from.

    A model with a span needs them: views of its shots cannot be made.
    """
    if good <= shots:
        raise UserError(
            f"{folder}/train/good: a model with --range needs other images than the "
            f"{shots} shots, to decide from. Received: {good}"
        )


def check_count(good: ImageSet, folder: Path) -> None:
    """Raise `UserError` for too few good images to split."""
    if len(good) < 2:
        raise UserError(
            f"{folder} needs at least 2 good images to train on, one to fit and one to "
            f"validate. Received: {len(good)}"
        )


def check_whole(name: str, tiles: int) -> None:
    """Raise `UsageError` if images that show defects are cut into `tiles`.

    Most tiles would show none.
    """
    if tiles > 1:
        other = ", or take --synthetic" if name == "CNN" else " or --known-defects"
        raise UsageError(f"{name} learns from whole images: leave out --tile{other}")


def defects_for(method: Method, category: Category) -> ImageSet:
    """Return the defective images that a method with such `needs` learns from.

    Raises:
        UserError: there are none.
    """
    if getattr(method, "known_defects", 0):  # a decision is not to be made from them
        if not len(category.defective):
            raise no_labelled_defects()
        return category.defective
    defective = known_defects(category, method.seed)
    check_defective(method.name, len(defective))
    return defective


def known_defects(category: Category, seed: int) -> ImageSet:
    """Return the defective images that a supervised method may learn from.

    They are those outside of the test set, or else those that `finetune.py` draws from
    it with the same seed, which `test.py` leaves out.
    """
    if len(category.defective):
        return category.defective
    test = category.test
    chosen, _ = split_finetuning(
        test.labels, test.classes, seed=seed, groups=test.groups
    )
    return test.subset(chosen[test.labels[chosen] == ANOMALOUS])


def named(images: ImageSet, names: list[str]) -> ImageSet:
    """Return the good images with these names; a `UserError` for one that is gone.

    An absolute path names an image that is none of `images`.
    """
    known = set(images.names)
    outside = [Path(name) for name in names if name not in known]
    missing = [x for x in outside if not (x.is_absolute() and file_of(x).is_file())]
    if missing:
        raise UserError(
            f"{len(missing)} of the images that the model was made with are gone, such "
            f"as {missing[0]}"
        )
    images = images.with_good(outside)
    index = {name: i for i, name in enumerate(images.names)}
    return images.subset([index[name] for name in names])


def unseen(
    images: ImageSet,
    record: TrainingRecord,
    finetuned: FinetuningResult,
    include_finetuning: bool = False,
) -> ImageSet:
    """Return labelled images from anywhere, as `unused` does those of the category.

    Images are those that a model or its decision was made with by their paths.
    """
    splits, folder = record.splits, category_folder(Path(record.folder))
    names = {*splits.fit, *splits.validation, *splits.defective}
    if not include_finetuning:
        names |= {*finetuned.test_files}
    seen = {(folder / name).resolve() for name in names}
    left = [i for i, path in enumerate(images.paths) if path.resolve() not in seen]
    if len(left) < len(images):
        log.info(
            "%s left out, for the model or its decision was made with them",
            count(len(images) - len(left), "image"),
        )
    if not left:
        raise UserError(f"all {len(images)} images were used for model or decision")
    return images.subset(left)


def unused(
    test: ImageSet,
    record: TrainingRecord,
    finetuned: FinetuningResult,
    include_finetuning: bool = False,
) -> ImageSet:
    """Return the test images that neither a model nor its decision were made with.

    Args:
        test: all of the category.
        record: of the model, for this category.
        finetuned: the decision.
        include_finetuning: take those that the decision was made with, too.

    Raises:
        UserError: there are none.
    """
    if not len(test):
        raise UserError(
            f"no test images in {record.folder}; -d FOLDER judges unlabelled images"
        )
    seen = set(record.splits.defective)  # by a supervised method
    if not include_finetuning:
        seen |= set(finetuned.test_files)
    images = test.subset([i for i, name in enumerate(test.names) if name not in seen])
    if not len(images):
        raise UserError(
            f"all {len(test)} test images were used for finetuning: "
            "expected more, or --include-finetuning"
        )
    return images
