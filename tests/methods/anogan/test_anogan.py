import numpy as np
import pytest

from methods.anogan import networks
from methods.anogan.anogan import AnoGAN
from methods.base import TrainingImages
from processing.data.dataset import scan_category
from processing.errors import UsageError

pytestmark = pytest.mark.usefixtures("eager_file")
EPOCHS = 4


def tiny(**options):
    return AnoGAN(
        **{
            "image_shape": (32, 32, 1),
            "latent": 8,
            "width": 4,
            "steps": 30,
            "epochs": 1,
            "batch_size": 8,
            "precision": "float32",
            **options,
        }
    )


@pytest.fixture(scope="module")
def fitted(samples):
    """Return a GAN with an encoder, and the images it has seen."""
    method = tiny(encoder=True, steps=0, epochs=EPOCHS, learning_rate=2e-2)
    good = scan_category(samples / "washer", image_shape=method.image_shape).train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)
        method.fit(TrainingImages(good.subset(range(8)), good.subset([8, 9])))
    return method, next(good.batches(4))


def with_weights_of(method, **options):
    other = tiny(**options)
    other.build()
    for name, network in other.networks.items():
        network.set_weights(method.networks[name].get_weights())
    other.arrays = method.arrays
    return other


def test_steps_come_closer_from_either_start(fitted):
    method, images = fitted
    for encoder in (False, True):
        few, more = (
            with_weights_of(method, encoder=encoder, steps=steps) for steps in (0, 8)
        )
        before, after = (
            np.abs(images - m.reconstruct(images)).sum(axis=(1, 2, 3))
            for m in (few, more)
        )
        assert (after < before).all()


def test_the_start_is_the_same_for_every_image_and_follows_the_seed(fitted):
    method, images = fitted
    searching = with_weights_of(method, steps=0)
    first, *rest = searching.reconstruct(images)
    for other in rest:
        np.testing.assert_allclose(first, other, atol=1e-5)
    reseeded = with_weights_of(method, steps=0, seed=1)
    assert not np.allclose(first, reseeded.reconstruct(images)[0], atol=1e-3)


def test_an_encoder_gives_each_image_its_own_start(fitted):
    method, images = fitted
    first, second, *_ = method.networks["encoder"].predict_on_batch(images)
    assert not np.allclose(first, second, atol=1e-4)


def test_raw_maps_are_absolute_differences(fitted):
    method, images = fitted
    maps, scores = method.judge(images, "raw-l1")
    assert method.highest("raw-l1") == 1.0
    expected = np.abs(images - method.reconstruct(images))[..., 0]
    np.testing.assert_allclose(maps, expected, atol=1e-6)
    np.testing.assert_allclose(scores, method.judge(images)[1], rtol=1e-5)


def test_calibrated_maps_have_the_good_images_mean(fitted, samples):
    method, _ = fitted
    good = scan_category(samples / "washer", image_shape=method.image_shape).train
    maps = method.anomaly_map(next(good.subset(range(8)).batches(8)))
    np.testing.assert_allclose(maps.mean(axis=0), 0, atol=1e-2)


def test_steps_depend_on_the_encoder():
    for encoder, steps, expected in (
        (False, None, 500),
        (True, None, 0),
        (True, 20, 20),
    ):
        method = tiny(encoder=encoder, steps=steps)
        method.build()
        assert method._search.steps == expected
        assert ("encoder" in method.networks) == encoder


def test_history_and_summary(fitted):
    method, _ = fitted
    epochs = [row["epoch"] for row in method.history]
    assert epochs == list(range(1, 2 * EPOCHS + 1))  # GAN, then encoder
    assert method.trained["epochs"] == 2 * EPOCHS
    assert method.file_suffix == f"_b8_e{2 * EPOCHS}"


def test_sizes_that_do_not_suit():
    with pytest.raises(UsageError, match="AnoGAN needs square images"):
        AnoGAN(image_shape=(96, 96, 3)).build()


def test_defaults_are_those_of_the_paper():
    method = AnoGAN()
    assert (method.latent, method.width, method.size) == (100, networks.WIDTH, 64)
