import keras
import numpy as np
import pytest

from methods.components.synthetic_batches import (
    draw_defects,
    training_batches,
    validation_batches,
)
from processing.data.dataset import scan_category
from processing.synthetic import KINDS


@pytest.fixture
def good(samples):
    """Return 12 washers of 64x64."""
    return scan_category(samples / "washer", image_shape=(64, 64, 3)).train


def draw(images, start=0, share=0.5, kinds=tuple(KINDS)):
    return draw_defects(images, (1, 2), start, sources=images, share=share, kinds=kinds)


def assert_equal(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.25, 3), (0.5, 6), (1, 12)])
def test_the_share_is_evenly_spread(good, share, count):
    images = good.load(range(12))
    pictures, masks = draw(images, share=share)
    assert pictures.dtype == np.float32
    assert masks.dtype == bool
    defective = masks.any(axis=(1, 2))
    assert defective.sum() == count
    assert len(set(np.diff(np.flatnonzero(defective)))) <= 1
    np.testing.assert_array_equal(pictures[~masks], images[~masks])
    assert (pictures[masks] != images[masks]).any() == (count > 0)


def test_a_defect_depends_on_the_images_number_alone(good):
    images = good.load(range(6))
    pictures, masks = draw(images)
    for i in (1, 2, 3):
        one = draw_defects(
            images[i : i + 1], (1, 2), i, sources=images, share=0.5, kinds=tuple(KINDS)
        )
        assert_equal(one, (pictures[i : i + 1], masks[i : i + 1]))


def test_kinds_are_chosen(good):
    images = good.load(range(12))
    assert (draw(images, kinds=["scar"])[1] != draw(images)[1]).any()
    assert draw(images, kinds=["scar"])[1].mean(axis=(1, 2)).max() < 0.02


def test_every_epoch_has_other_defects_and_a_resumed_run_the_same(good, short_epochs):
    batches, resumed = (training_batches(good, 4, seed=5) for _ in range(2))
    assert len(batches) == 3
    first = batches[0]
    batches.start(1)
    resumed.start(1)
    assert (batches[0][1] != first[1]).any()
    for step in range(3):
        assert_equal(batches[step], resumed[step])
    other = training_batches(good, 4, seed=6)
    assert (other[0][0] != first[0]).any()


def test_validation_is_the_same_always_and_for_every_batch_size(good):
    one, other = (validation_batches(good, size, seed=5) for size in (12, 5))
    assert [len(other[i][0]) for i in range(len(other))] == [5, 5, 2]
    joined = [
        np.concatenate(parts)
        for parts in zip(*(other[i] for i in range(3)), strict=True)
    ]
    assert_equal(one[0], joined)
    assert one[0][1].any(axis=(1, 2)).sum() == 6


def losses(good, epochs):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(1, 1), keras.layers.Reshape((64, 64))]
    model = keras.Sequential([keras.Input((64, 64, 3)), *layers])
    model.compile("sgd", "mean_squared_error", jit_compile=False)
    history = model.fit(
        training_batches(good, 4, seed=5),
        validation_data=validation_batches(good, 4, seed=5),
        epochs=epochs,
        verbose=0,
    )
    return [*history.history["loss"], *history.history["val_loss"]]


def test_a_single_validation_image_is_seen_with_a_defect_too(good):
    for size in (1, 2):
        batches = validation_batches(good.subset([3]), size, seed=5)
        pairs = [batches[i] for i in range(len(batches))]
        images, masks = (np.concatenate(x) for x in zip(*pairs, strict=True))
        assert masks.any(axis=(1, 2)).tolist() == [False, True]
        np.testing.assert_array_equal(images[0], good.load([3])[0])


def test_fit_takes_them_and_sees_the_same_twice(good, short_epochs):
    first = losses(good, 2)
    assert np.isfinite(first).all()
    np.testing.assert_allclose(first, losses(good, 2), rtol=1e-5)
