import keras
import numpy as np
import pytest

from methods.cnn import classifier
from processing.data.dataset import scan_category
from processing.errors import UsageError

SHAPE = (64, 64, 1)


class Images:
    """Just what `labelled` needs of an `ImageSet`."""

    image_shape = (1, 1, 1)

    def __init__(self, *values):
        self.values = np.uint8(values).reshape(-1, 1, 1, 1)

    def __len__(self):
        return len(self.values)

    def load(self, indices):
        return self.values[np.asarray(indices, int)]


def test_parameter_count_of_the_seed():
    """METHODS.md 2.1."""
    network = classifier.classifier((256, 256, 3))
    assert network.count_params() == 3_706_562
    assert network.get_layer("flatten").output.shape == (None, 14_400)


def test_cross_entropy_is_that_of_keras(rng):
    logits = rng.normal(0, 5, (6, 2)).astype("float32")
    labels = np.array([0, 1, 1, 0, 1, 0])
    expected = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    np.testing.assert_allclose(
        classifier.cross_entropy(labels, logits), expected, rtol=1e-5
    )


def test_both_classes_weigh_the_same():
    load, count = classifier.labelled(Images(10, 11, 12), Images(90))
    assert count == 4
    images, (labels, weights) = load(np.array([3, 0, 2, 1]))
    assert images.ravel().tolist() == [90, 10, 12, 11]
    assert labels.tolist() == [1, 0, 0, 0]
    assert weights[labels == 1].sum() == pytest.approx(2)
    assert weights[labels == 0].sum() == pytest.approx(2)


def test_without_defective_images_all_weigh_one():
    load, count = classifier.labelled(Images(1, 2), Images())
    assert count == 2
    assert load(np.arange(2))[1][1].tolist() == [1, 1]


def test_real_defects_weigh_half_as_much_as_drawn_ones():
    load, _ = classifier.labelled(Images(*range(8)), Images(90, 91), drawn=True)
    assert load(np.arange(10))[1][1].tolist() == [1] * 8 + [1, 1]  # 4 drawn, 2 real
    load, _ = classifier.labelled(Images(*range(8)), Images(90), drawn=True)
    assert load(np.array([8]))[1][1].tolist() == [2]


def test_every_second_image_gets_a_defect(samples):
    good = scan_category(samples / "washer", image_shape=SHAPE).train
    load, count = classifier.labelled(good, good.subset([]))
    before = load(np.arange(4))
    draw = classifier.drawing(good, 3)
    images, (labels, weights) = draw(before, (3, 0), 0)
    assert images.dtype == np.float32
    assert labels.tolist() == [0, 1, 0, 1]
    assert weights.tolist() == [1, 1, 1, 1]
    changed = (images != before[0]).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(changed, labels == 1)
    again = draw(before, (3, 1), 0)[0]
    assert (again[1] != images[1]).any()  # other defects in another epoch


def test_real_defects_stay_as_they_are(samples):
    category = scan_category(samples / "washer", image_shape=SHAPE)
    real = category.test.subset(np.flatnonzero(category.test.labels == 1)[:2])
    load, _ = classifier.labelled(category.train, real, drawn=True)
    before = load(len(category.train) + np.array([0, 1]))
    draw = classifier.drawing(category.train, 3)
    images, (labels, _) = draw(before, (3, 0), 0)
    np.testing.assert_array_equal(images, before[0])
    assert labels.tolist() == [1, 1]


def test_small_images_are_refused():
    side = classifier.SMALLEST
    classifier.check_shape((side, side, 1))
    assert classifier.classifier((side, side, 1)).output_shape == (None, 2)
    with pytest.raises(
        UsageError, match=f"at least {side} pixels. .*{side - 1}x{side}"
    ):
        classifier.check_shape((side - 1, side, 1))
