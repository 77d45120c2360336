import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from methods.base import TrainingImages
from methods.cnn.cnn import CNN
from processing.data.dataset import scan_category
from processing.errors import UserError


def fit(samples, epochs):
    """Return a CNN after some training on all defects, and the test images."""
    method = CNN(
        image_shape=(32, 32, 1),
        epochs=epochs,
        learning_rate=2e-3,
        precision="float32",
    )
    category = scan_category(samples / "washer", image_shape=method.image_shape)
    defects = np.flatnonzero(category.test.labels == 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 512)
        patch.setattr("methods.cnn.classifier.FEW", 1)  # no synthetic ones
        good, defective = category.train, category.test.subset(defects)
        images = good.subset(range(10)), good.subset([10, 11])
        method.fit(TrainingImages(*images, defective=defective))
    return method, category.test


@pytest.fixture(scope="module")
def learned(samples):
    return fit(samples, epochs=12)


def auroc(method, test):
    """Return how well a method tells the test images apart; check its maps."""
    maps, scores = method.judge(next(test.batches(len(test))))
    assert (maps >= 0).all()
    return roc_auc_score(test.labels, scores)


def test_defects_like_the_learned_ones_score_higher(learned):
    assert auroc(*learned) > 0.7


@pytest.mark.nightly
def test_long_training_tells_nearly_all_defects(samples):
    assert auroc(*fit(samples, epochs=40)) > 0.9


def test_a_flipped_image_has_the_flipped_map(learned):
    method, test = learned
    images = next(test.batches(4))
    maps = method.anomaly_map(images)
    for axis in (1, 2):
        flipped = method.anomaly_map(np.flip(images, axis))
        np.testing.assert_allclose(flipped, np.flip(maps, axis), rtol=1e-4, atol=1e-5)


def test_needs_defective_images(samples):
    good = scan_category(samples / "washer", image_shape=(64, 64, 1)).train
    with pytest.raises(UserError, match="CNN is supervised and needs defective images"):
        CNN(image_shape=(64, 64, 1)).fit(
            TrainingImages(good.subset([0]), good.subset([1]))
        )


def test_says_that_it_is_supervised(learned):
    method, _ = learned
    summary = method.trained
    assert summary["supervised"]
    assert summary["learned_from"] == "12 defective images (it is supervised)"


def test_few_real_defects_are_joined_by_synthetic_ones(samples, short_epochs, eager):
    category = scan_category(samples / "washer", image_shape=(64, 64, 1))
    defects = category.test.subset(np.flatnonzero(category.test.labels == 1)[:2])
    good = category.train
    method = CNN(image_shape=(64, 64, 1), epochs=1, precision="float32")
    method.fit(
        TrainingImages(good.subset(range(8)), good.subset([8, 9]), defective=defects)
    )
    expected = "synthetic defects and 2 defective images (it is supervised)"
    assert method.trained["learned_from"] == expected
    assert method.trained["supervised"]


def test_synthetic_defects_need_no_real_ones(samples, short_epochs, eager, caplog):
    good = scan_category(samples / "washer", image_shape=(64, 64, 1)).train
    method = CNN(image_shape=(64, 64, 1), synthetic=True, epochs=1, precision="float32")
    assert not method.needs
    method.fit(TrainingImages(good.subset(range(8)), good.subset([8, 9])))
    assert not method.trained["supervised"]
    assert method.trained["learned_from"] == "synthetic defects"
    assert method.anomaly_map(next(good.batches(2))).shape == (2, 64, 64)
