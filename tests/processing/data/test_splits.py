import string

import numpy as np
import pytest

from processing.data.splits import (
    split_finetuning,
    split_folds,
    split_test,
    split_validation,
)
from processing.errors import UsageError, UserError


def check_partition(first, second, n):
    np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), range(n))
    np.testing.assert_array_equal(first, np.sort(first))
    np.testing.assert_array_equal(second, np.sort(second))


def labelled(**sizes):
    classes = [name for name, size in sizes.items() for _ in range(size)]
    return [int(name != "good") for name in classes], classes


@pytest.mark.parametrize(
    ("n", "count"), [(2, 1), (3, 1), (10, 1), (15, 2), (209, 21), (360, 36)]
)
def test_validation_is_a_tenth(n, count):
    fit, validation = split_validation(n, seed=0)
    check_partition(fit, validation, n)
    assert len(validation) == count


@pytest.mark.parametrize(("n", "folds", "sizes"), [(23, 5, {4, 5}), (3, 5, {1})])
def test_folds_are_a_partition_of_about_equal_parts(n, folds, sizes):
    parts = split_folds(n, folds, seed=0)
    assert {len(part) for part in parts} == sizes
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), range(n))
    again, other = (split_folds(n, folds, seed=seed) for seed in (0, 1))
    assert [*map(list, again)] == [*map(list, parts)]
    assert [*map(list, other)] != [*map(list, parts)]


def test_groups_stay_in_one_fold():
    groups = [i // 4 for i in range(40)]
    parts = split_folds(40, 3, seed=0, groups=groups)
    found = [{groups[i] for i in part} for part in parts]
    assert sum(map(len, found)) == len(set.union(*found)) == 10


def test_validation_is_random_by_seed():
    first, again, other = (split_validation(100, seed=seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()
    assert first.tolist() != list(range(10))


def test_validation_leaves_something_to_fit():
    fit, validation = split_validation(3, 0.99, seed=0)
    assert (len(fit), len(validation)) == (1, 2)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_to_validate(n):
    with pytest.raises(UserError, match=f"expected at least 2, .* Found: {n}"):
        split_validation(n, seed=0)


def test_finetuning_is_stratified():
    labels, classes = labelled(good=20, crack=40, dent=60, stain=100)
    finetuning, remaining = split_finetuning(labels, classes, seed=0)
    check_partition(finetuning, remaining, len(labels))
    names, counts = np.unique(np.array(classes)[finetuning], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "good": 2,
        "crack": 4,
        "dent": 6,
        "stain": 10,
    }


def test_finetuning_is_drawn_at_random_by_seed():
    labels, classes = labelled(good=100, crack=100)
    first, again, other = (
        split_finetuning(labels, classes, seed=seed)[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


def test_many_small_classes_share_the_number():
    labels, classes = labelled(good=50, **{f"kind{i}": 5 for i in range(8)})
    drawn = set()
    for seed in range(20):
        finetuning, _ = split_finetuning(labels, classes, seed=seed)
        chosen = [classes[i] for i in finetuning if labels[i]]
        assert len(chosen) == len(set(chosen)) == 4
        drawn |= set(chosen)
    assert len(drawn) == 8  # no class is favoured by its name


@pytest.mark.parametrize(
    ("available", "drawn"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 2), (20, 2), (63, 6)]
)
def test_at_least_two_and_never_all(available, drawn):
    labels, classes = labelled(good=available, crack=available)
    finetuning, remaining = split_finetuning(labels, classes, seed=0)
    check_partition(finetuning, remaining, 2 * available)
    good = [i for i in finetuning if labels[i] == 0]
    assert (len(good), len(finetuning)) == (drawn, 2 * drawn)


def test_bottle_sized_set():
    labels, classes = labelled(
        broken_large=20, broken_small=22, contamination=21, good=20
    )
    finetuning, _ = split_finetuning(labels, classes, seed=0)
    names, counts = np.unique(np.array(classes)[finetuning], return_counts=True)
    assert len(names) == 4
    assert counts.tolist() == [2, 2, 2, 2]


def test_unknown_labels_remain():
    finetuning, remaining = split_finetuning([-1] * 5, ["unknown"] * 5, seed=0)
    assert len(finetuning) == 0
    check_partition(finetuning, remaining, 5)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 2])
def test_fraction_out_of_range(fraction):
    with pytest.raises(UsageError, match=f"Received: {fraction}"):
        split_validation(10, fraction, seed=0)
    with pytest.raises(UsageError, match=f"Received: {fraction}"):
        split_finetuning([0, 1], ["good", "crack"], fraction, seed=0)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="Received: 1 and 2"):
        split_finetuning([0], ["good", "good"], seed=0)


def volumes(*lengths):
    """Return the group of each image."""
    letters = zip(string.ascii_lowercase, lengths, strict=False)
    return [letter for letter, length in letters for _ in range(length)]


def test_validation_keeps_groups_together():
    groups = volumes(3, 5, 2, 4)
    fit, validation = split_validation(14, seed=0, groups=groups)
    check_partition(fit, validation, 14)
    [group] = {groups[i] for i in validation}
    assert len(validation) == groups.count(group)


def test_one_group_is_split_all_the_same():
    expected = split_validation(14, seed=0)
    split = split_validation(14, seed=0, groups=["a"] * 14)
    np.testing.assert_array_equal(split[1], expected[1])


def test_groups_of_one_change_nothing():
    labels, classes = labelled(good=20, crack=40)
    expected = split_finetuning(labels, classes, seed=3)
    split = split_finetuning(labels, classes, seed=3, groups=range(60))
    np.testing.assert_array_equal(split[0], expected[0])
    split = split_validation(60, seed=3, groups=range(60))
    np.testing.assert_array_equal(split[0], split_validation(60, seed=3)[0])


def test_finetuning_keeps_groups_together():
    """A volume with a defective slice is defective; half of each kind is drawn."""
    groups = volumes(3, 5, 2, 4, 3, 6, 2, 2)
    labels = np.zeros(len(groups), int)
    labels[[4, 9, 20, 26]] = 1  # in b, c, f and h; good: a, d, e and g
    classes = ["lesion" if label else "good" for label in labels]
    finetuning, remaining = split_finetuning(
        labels, classes, 0.5, seed=1, groups=groups
    )
    check_partition(finetuning, remaining, len(groups))
    drawn = {groups[i] for i in finetuning}
    assert not drawn & {groups[i] for i in remaining}
    assert len(drawn & set("bcfh")) == 2
    assert len(drawn & set("adeg")) == 2


def test_a_test_set_is_drawn_from_the_good_images():
    labels = [0] * 50 + [1] * 7
    train, test = split_test(labels, seed=3, groups=range(57))
    assert sorted([*train, *test]) == list(range(57))
    assert sum(i < 50 for i in test) == 10
    assert set(range(50, 57)) <= set(test)
    again = split_test(labels, seed=3, groups=range(57))
    np.testing.assert_array_equal(again[1], test)


@pytest.mark.parametrize(
    ("good", "drawn"), [(0, 0), (1, 0), (2, 1), (5, 2), (8, 4), (20, 4), (100, 20)]
)
def test_how_many_good_images_are_tested_with(good, drawn):
    _, test = split_test([0] * good + [1], seed=1, groups=range(good + 1))
    assert len(test) == drawn + 1


def test_nothing_is_drawn_without_a_defective_image():
    train, test = split_test([0] * 9, seed=1, groups=range(9))
    assert (len(train), len(test)) == (9, 0)


def test_groups_stay_together_in_a_test_set():
    """Where few are in both, what is beside a defect is tested with."""
    groups = [i // 5 for i in range(100)]
    labels = np.zeros(100, int)
    labels[[3, 7]] = 1
    train, test = split_test(labels, seed=1, groups=groups)
    assert not {i // 5 for i in train} & {i // 5 for i in test}
    assert set(range(10)) <= set(test)
    assert len(test) == 25  # 98 / 5 good ones, and 2


def test_groups_that_all_have_a_defect():
    """As the items of KolektorSDD: half are tested with, the others learned from."""
    groups = [i // 8 for i in range(80)]
    labels = [int(i % 8 == 0) for i in range(80)]
    train, test = split_test(labels, seed=1, groups=groups)
    assert not {i // 8 for i in train} & {i // 8 for i in test}
    assert (len(train), len(test)) == (40, 40)


def test_one_group_is_no_group():
    _, test = split_test([0] * 10 + [1], seed=1, groups=["all"] * 11)
    assert len(test) == 5
