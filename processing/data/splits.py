"""Seeded, disjoint splits of image indices."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from processing.errors import UsageError, UserError

from .image_set import ANOMALOUS, GOOD

Indices = NDArray[np.int64]

VALIDATION = 0.1  # share of the good images that validate


def split_validation(
    n: int,
    fraction: float = VALIDATION,
    *,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> tuple[Indices, Indices]:
    """Draw the validation set from `n` good images at random.

    Args:
        n: number of images, at least 2.
        fraction: share that goes to validation, in (0, 1); at least one image does.
        seed: same seed, same split.
        groups: (n,) what images belong to, such as a volume; where there are two, they
            stay together.

    Returns:
        Sorted indices (fit, validation); disjoint, and together all of `range(n)`.
    """
    _check_fraction(fraction)
    if groups is not None and 1 < len(set(groups)) < n:
        members = _members(groups)
        return _together(members, split_validation(len(members), fraction, seed=seed))
    if n < 2:
        raise UserError(
            f"too few good images to train on: expected at least 2, one to fit and one "
            f"to validate. Found: {n}"
        )
    count = min(max(1, _rounded(n * fraction)), n - 1)
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[count:]), np.sort(order[:count])


def split_folds(
    n: int, folds: int, *, seed: int, groups: Sequence[Hashable] | None = None
) -> list[Indices]:
    """Deal `n` images out to folds of about one size, at random.

    Args:
        n: number of images.
        folds: how many, at least 2; there are fewer of fewer images or groups.
        seed: same seed, same folds.
        groups: (n,) what images belong to, such as a volume; they stay together.

    Returns:
        Sorted indices of each fold; disjoint, and together all of `range(n)`.
    """
    members = _members(range(n) if groups is None else groups)
    order = np.random.default_rng(seed).permutation(len(members))
    parts = np.array_split(order, min(folds, len(members)))
    return [np.sort(np.concatenate([members[i] for i in part])) for part in parts]


def split_finetuning(
    labels: ArrayLike,
    classes: Sequence[str],
    fraction: float = 0.1,
    *,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> tuple[Indices, Indices]:
    """Draw the finetuning set from the test images, stratified by class.

    Of the m good and of the m anomalous images each, `fraction` is drawn, but at
    least 2, and never all: 2 give 1, 3 give 2. A single one goes to finetuning, so
    that a threshold can be found. The number is shared out over the classes in
    proportion to their sizes. Images of unknown label remain.

    Args:
        labels: (n,) 0 good, 1 anomalous, -1 unknown.
        classes: (n,) names.
        fraction: share that goes to finetuning, in (0, 1).
        seed: same seed, same split.
        groups: (n,) what images belong to, such as a volume; they stay together, and
            count as one image, anomalous if one of them is.

    Returns:
        Sorted indices (finetuning, remaining); disjoint, and together all images.
    """
    _check_fraction(fraction)
    labels = np.asarray(labels)
    if len(labels) != len(classes):
        raise ValueError(
            "`labels` and `classes` must have one length. "
            f"Received: {len(labels)} and {len(classes)}"
        )
    if groups is not None and len(set(groups)) < len(labels):
        grouped = _members(groups)
        heads = [group[labels[group].argmax()] for group in grouped]
        split = split_finetuning(
            labels[heads], [classes[i] for i in heads], fraction, seed=seed
        )
        return _together(grouped, split)
    rng = np.random.default_rng(seed)
    names = np.asarray(classes, dtype=str)
    drawn = np.zeros(len(labels), dtype=bool)
    for label in (GOOD, ANOMALOUS):
        members = np.flatnonzero(labels == label)
        count = _finetuning_count(len(members), fraction)
        drawn[_draw_stratified(members, names[members], count, rng)] = True
    return np.flatnonzero(drawn), np.flatnonzero(~drawn)


def split_test(
    labels: ArrayLike, *, seed: int, groups: Sequence[Hashable]
) -> tuple[Indices, Indices]:
    """Draw a test set where a data set has none: all defective images, some good ones.

    A fifth of the good images are drawn, but at least 4, and at most half. Without a
    defective image none are. What shares a group with a defective image is in the test
    set, too; if that takes more than half of the good images, half of them are drawn
    with their groups, and the defective images of the other groups stay behind.

    Args:
        labels: (n,) 0 good, 1 anomalous.
        seed: same seed, same split.
        groups: (n,) what images belong to, such as a volume; they stay together.

    Returns:
        Sorted indices (train, test); disjoint, and together all images.
    """
    labels = np.asarray(labels)
    good = labels == GOOD
    if good.all():
        return np.arange(len(labels)), np.arange(0)
    members = _members(groups) if len(set(groups)) > 1 else _members(range(len(labels)))
    counts = [int(good[group].sum()) for group in members]
    mixed = [0 < n < len(group) for n, group in zip(counts, members, strict=True)]
    half, beside = good.sum() // 2, sum(np.array(counts)[mixed])
    wanted = min(max(4, _rounded(good.sum() / 5)), half) if beside <= half else half
    drawn = [
        not n or (m and beside <= half) for n, m in zip(counts, mixed, strict=True)
    ]
    order = np.random.default_rng(seed).permutation(len(members))
    found = sum(np.array(counts)[drawn])
    for i in order:
        if not drawn[i] and found < wanted and found + counts[i] < good.sum():
            drawn[i] = True
            found += counts[i]
    return _together(members, (np.flatnonzero(~np.array(drawn)), np.flatnonzero(drawn)))


def _members(groups: Sequence[Hashable]) -> list[Indices]:
    """Return the indices of each group, in order."""
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    numbers = np.array([order[group] for group in groups])
    return [np.flatnonzero(numbers == number) for number in range(len(order))]


def _together(
    members: list[Indices], split: tuple[Indices, Indices]
) -> tuple[Indices, Indices]:
    """Return a split of groups as one of their members."""
    none = np.empty(0, np.int64)
    first, second = (
        np.sort(np.concatenate([none, *(members[i] for i in part)])) for part in split
    )
    return first, second


def _finetuning_count(available: int, fraction: float) -> int:
    if available < 2:
        return available
    return min(max(2, _rounded(available * fraction)), available - 1)


def _draw_stratified(
    members: Indices, names: NDArray[np.str_], count: int, rng: np.random.Generator
) -> Indices:
    """Draw `count` of `members`, from each class in proportion (largest remainder)."""
    _, strata, sizes = np.unique(names, return_inverse=True, return_counts=True)
    quotas = count * sizes / max(1, len(members))
    counts = np.floor(quotas + 1e-9).astype(int)  # 2.9999... by rounding is 3
    # The rest goes to the largest remainders; equal ones are put in random order.
    order = np.lexsort((rng.random(len(sizes)), np.round(counts - quotas, 9)))
    counts[order[: count - counts.sum()]] += 1
    drawn = [
        rng.permutation(members[strata == stratum])[:chosen]
        for stratum, chosen in enumerate(counts)
    ]
    return np.concatenate([members[:0], *drawn])


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise UsageError(
            f"a split's fraction must lie between 0 and 1. Received: {fraction}"
        )


def _rounded(count: float) -> int:
    return int(count + 0.5)
