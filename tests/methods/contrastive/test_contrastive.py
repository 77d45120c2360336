import numpy as np
import pytest

from methods.base import TrainingImages
from methods.cli.method_options import CLUSTERINGS as NAMES
from methods.contrastive.contrastive import Contrastive
from processing.data.dataset import scan_category

pytestmark = pytest.mark.usefixtures("eager_file", "few_blocks")
SMALL = {
    "image_shape": (64, 64, 3),
    "backbone": "efficientnet_lite0",
    "weights": "random",
    "levels": "stage3",
}


@pytest.fixture(scope="module")
def category(samples):
    return scan_category(samples / "washer", image_shape=(64, 64, 3))


@pytest.fixture(scope="module")
def fitted(category):
    good = category.train
    method = Contrastive(**SMALL, epochs=0)
    return method.fit(TrainingImages(good.subset(range(8)), good.subset([10, 11])))


def test_validation_images_come_out_clean(fitted, category):
    maps = fitted.anomaly_map(next(category.train.subset([10, 11]).batches(2)))
    np.testing.assert_allclose(maps.max(), 1, rtol=1e-5)
    assert fitted.highest("separation") == pytest.approx(3, rel=1e-5)


def test_scores_are_continuous_and_independent_of_the_batch(fitted, category):
    images = next(category.test.batches(16))
    maps, scores = fitted.judge(images)
    assert len(np.unique(scores)) == len(scores)
    for size in (1, 3):
        parts = [
            fitted.judge(images[i : i + size])[1] for i in range(0, len(images), size)
        ]
        np.testing.assert_allclose(np.concatenate(parts), scores, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_clustering(name, fitted, category):
    before, fitted.cluster = fitted.cluster, name
    maps = fitted.anomaly_map(next(category.test.batches(2)))
    fitted.cluster = before
    assert np.isfinite(maps).all()
    assert maps.max() > 0


def test_the_names_of_the_command_line():
    from methods.contrastive.clustering import CLUSTERINGS

    assert sorted(CLUSTERINGS) == sorted(NAMES)


@pytest.fixture
def trained(category, monkeypatch):
    """Return a function from separations before and after to a trained method."""

    def train(before, after):
        monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 4)
        metrics = iter([before, after])
        monkeypatch.setattr(Contrastive, "_separation", lambda *_: next(metrics))
        good = category.train
        method = Contrastive(**SMALL, epochs=1, batch_size=4)
        return method.fit(TrainingImages(good.subset(range(8)), good.subset([10, 11])))

    return train


def test_training_that_is_of_no_use_is_undone(trained, fitted, category):
    method = trained(before=0.9, after=0.8)
    assert method.trained["separation_before"] == 0.9
    for mine, frozen in zip(
        method.networks["backbone"].weights,
        fitted.networks["backbone"].weights,
        strict=True,
    ):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(frozen))
    images = next(category.test.batches(2))
    np.testing.assert_allclose(
        method.anomaly_map(images), fitted.anomaly_map(images), rtol=1e-4
    )


def test_training_moves_the_encoder(trained, fitted):
    method = trained(before=0.8, after=0.9)
    first, frozen = (
        np.asarray(m.networks["backbone"].weights[0]) for m in (method, fitted)
    )
    assert (first != frozen).any()
    assert len(method.history) == 1
