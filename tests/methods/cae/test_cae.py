import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES
from methods.base import TrainingImages
from methods.cae.cae import CAE
from methods.cae.corruption import CLEAN, Corruption
from processing.data.dataset import scan_category
from processing.errors import UsageError
from processing.maps.residuals import smooth, ssim_residual


@pytest.fixture(scope="module")
def learned(samples):
    """Return a mvtecCAE after some real training, and its category."""
    method = CAE(
        image_shape=(64, 64, 1),
        epochs=10,
        learning_rate=3e-3,
        precision="float32",
        sigma=2.0,
    )
    category = scan_category(samples / "washer", image_shape=method.image_shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 64)
        good = category.train
        images = TrainingImages(good.subset(range(10)), good.subset([10, 11]))
        method.fit(images)
    return method, category


def test_a_pasted_square_stands_out(learned):
    method, category = learned
    images = next(category.test.subset([0, 1]).batches(2))
    pasted = images.copy()
    pasted[:, 24:36, 20:32] = 1 - pasted[:, 24:36, 20:32].round()
    (_, good), (maps, bad) = method.judge(images), method.judge(pasted)
    assert (bad > good).all()
    for anomaly_map in maps:
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert 20 <= row < 40
        assert 16 <= column < 36


def test_maps_of_the_fitted_images_are_standardised(learned):
    """By definition: mean 0, and the deviations of the smoothed residuals."""
    method, category = learned
    images = next(category.train.subset(range(10)).batches(10))
    residuals = smooth(ssim_residual(images, method.reconstruct(images)), 2.0)
    np.testing.assert_allclose(
        method.arrays["ssim_mean"], residuals.mean(axis=0), atol=1e-4
    )
    np.testing.assert_allclose(method.anomaly_map(images).mean(axis=0), 0, atol=1e-2)
    assert (method.arrays["ssim_deviation"] > 0).all()


def test_legacy_maps_are_raw_residuals(learned):
    method, category = learned
    images = next(category.test.subset([0]).batches(1))
    raw = method.anomaly_map(images, "legacy-l2")
    expected = np.square(images - method.reconstruct(images))[..., 0]
    np.testing.assert_allclose(raw, expected, atol=1e-6)


def test_a_network_that_gives_one_picture_for_all_is_named(learned, caplog):
    method, category = learned
    method._warn_if_constant(category.train)
    assert not caplog.text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CAE, "reconstruct", lambda self, images: 0 * images + 0.5)
        method._warn_if_constant(category.train)
    assert "the same picture for every image" in caplog.text
    assert "--lr 0.00075" in caplog.text


def test_history_and_summary(learned):
    method, _ = learned
    assert [row["epoch"] for row in method.history] == list(range(1, 11))
    assert method.history[-1]["loss"] < 0.7 * method.history[0]["loss"]
    summary = method.trained
    assert summary["precision"] == "float32"
    assert summary["best_val_loss"] == min(row["val_loss"] for row in method.history)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"image_shape": (100, 100, 1)}, "multiples of 32"),
        ({"image_shape": (96, 96, 3), "loss": "mssim"}, "at least 176"),
        ({"latent": 3}, "multiple of 64"),
    ],
)
def test_shapes_that_do_not_suit(config, message):
    with pytest.raises(UsageError, match=message):
        CAE(**config).build()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_what_copies_its_input_learns_to_undo_defects(name):
    copies = name in ("resnetCAE", "skipCAE")
    assert CAE(name=name).corruption == (Corruption(1.0, "both") if copies else CLEAN)
    assert CAE(name=name, corrupt=0.0).corruption == CLEAN


def test_older_models_were_not_corrupted():
    assert CAE(**CAE.recorded_config({"name": "skipCAE"})).corruption == CLEAN
    config = {"name": "skipCAE", "corrupt": None}
    assert CAE(**CAE.recorded_config(config)).corruption.share == 1
