import numpy as np
import pytest

from methods.base import TrainingImages
from methods.cae.corruption import KINDS_OF, Corruption, batches_of
from methods.engine.settings import Settings
from processing.data.dataset import scan_category
from processing.errors import UsageError

SETTINGS = Settings(batch_size=4, seed=5)


@pytest.fixture
def images(samples, short_epochs):
    """Return 12 grey washers of 64x64, of which three validate."""
    good = scan_category(samples / "washer", image_shape=(64, 64, 1)).train
    return TrainingImages(good.subset(range(9)), good.subset([9, 10, 11]))


def everything(batches):
    """Return the good images of all batches, and what is seen of them."""
    pairs = np.concatenate([batches[i] for i in range(len(batches))])
    return np.split(pairs, 2, axis=-1)


def test_without_a_corruption_images_are_alone(images):
    batches, checks = batches_of(images, SETTINGS, Corruption())
    assert batches[0].shape == (4, 64, 64, 1)
    np.testing.assert_array_equal(checks[0], images.validation.load(range(3)))


@pytest.mark.parametrize("kind", KINDS_OF)
def test_a_share_of_the_images_is_corrupted(images, kind):
    batches, _ = batches_of(images, SETTINGS, Corruption(1 / 3, kind))
    good, seen = everything(batches)
    np.testing.assert_array_equal(good, images.good.load(batches.order[:12]))
    assert (good != seen).any(axis=(1, 2, 3)).sum() == 4
    assert seen.min() >= 0
    assert seen.max() <= 1


def test_every_epoch_has_other_defects_and_a_resumed_run_the_same(images):
    batches, resumed = (
        batches_of(images, SETTINGS, Corruption(1.0))[0] for _ in range(2)
    )
    order, seen = batches.order, everything(batches)[1]
    for one in (batches, resumed):
        one.start(1)
    np.testing.assert_array_equal(everything(batches), everything(resumed))
    batches.order = order  # the same images, in another epoch
    assert (everything(batches)[1] != seen).any(axis=(1, 2, 3)).all()


def test_all_validation_images_are_corrupted_always_in_the_same_way(images):
    first, second = (
        batches_of(images, Settings(batch_size=size, seed=5), Corruption(0.1))[1]
        for size in (2, 3)
    )
    good, seen = everything(first)
    np.testing.assert_array_equal(good, images.validation.load(range(3)))
    assert (good != seen).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal((good, seen), everything(second))


def test_images_that_are_too_small():
    Corruption().check((16, 16, 1))
    Corruption(0.5).check((32, 32, 1))
    with pytest.raises(UsageError, match="at least 32 pixels. Received: 32x16"):
        Corruption(0.5).check((32, 16, 1))
