import numpy as np
import pytest
from skimage.measure import label

from processing.metrics.localisation import Localisation, Place, in_words, place


def mask(*rows):
    return np.array([[x == "#" for x in row] for row in rows])


def by_labels(decided, truth):
    """Return the same from scikit-image's labels."""
    ours, theirs = label(decided, connectivity=2), label(truth, connectivity=2)
    found = set(theirs[decided]) - {0}
    return Place(theirs.max(), len(found), ours.max() - len(set(ours[truth]) - {0}))


def test_regions_touch_by_pixels_and_hang_together_at_corners():
    truth = mask("#..#", ".#..", "....")
    assert place(mask("....", ".#..", "...#"), truth) == Place(2, 1, 1)
    assert place(mask(".#..", "....", "...."), truth) == Place(2, 0, 1)
    assert place(truth & False, truth) == Place(2, 0, 0)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_counts_are_those_of_scikit_image(share):
    rng = np.random.default_rng(3)
    for _ in range(20):
        decided, truth = rng.random((2, 17, 23)) < share
        assert place(decided, truth) == by_labels(decided, truth)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (3, 1)])
def test_no_region_is_lost_where_sizes_differ(h, w):
    decided, truth = np.random.default_rng(5).random((2, 16, 16)) < 0.1
    big = np.kron(truth, np.ones((h, w), bool)).astype(bool)
    assert place(decided, big) == by_labels(decided, truth)
    assert place(big, decided) == by_labels(truth, decided)


def test_larger_sizes_that_are_no_multiple_keep_the_number_of_regions():
    decided = np.random.default_rng(7).random((16, 16)) < 0.1
    found = place(decided, np.zeros((23, 9), bool))
    assert found == Place(0, 0, label(decided, connectivity=2).max())


def test_counts_of_a_set_and_their_words():
    counts = Localisation()
    assert in_words(counts.to_json()) == ""
    assert counts.to_json()["region_recall"] is None
    truth = mask("#..#", "....")
    counts.update(mask("#...", "...."), truth)
    counts.update(mask(".#..", "...#"), truth)
    counts.update(mask("#.#.", "...."), truth & False)
    found = counts.to_json()
    assert (found["in_place_rate"], found["region_recall"]) == (0.5, 0.25)
    assert found["false_regions_per_good_image"] == 2
    assert found["false_regions_per_image"] == pytest.approx(4 / 3)
    assert in_words(found) == (
        "1 of 2 defects with a mask in the right place; 1 of 4 true regions; "
        "2 false regions on 1 good image"
    )
