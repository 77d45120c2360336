import keras
import numpy as np
import pytest
from keras import ops
from skimage.metrics import structural_similarity

from autoencoder import losses


def pair(rng, side=32, channels=1, noise=0.2):
    images = rng.random((3, side, side, channels), np.float32)
    others = images + noise * rng.standard_normal(images.shape)
    return images, np.clip(others, 0, 1).astype("float32")


class Difference(keras.layers.Layer):
    """Holds images as a weight, so that a gradient is taken on any backend."""

    def __init__(self, images):
        super().__init__()
        self.images = self.add_weight(shape=images.shape, initializer="zeros")
        self.images.assign(images)

    def call(self, x):
        return self.images + 0 * x


def one_step(loss, images, others):
    """Return `others` after one plain gradient step on the loss."""
    layer = Difference(others)
    model = keras.Sequential([layer])
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=lambda y, x: ops.mean(loss(y, x)),
        jit_compile=False,
    )
    model.train_on_batch(np.zeros_like(images), images)
    return np.asarray(layer.images)


@pytest.mark.parametrize("channels", [1, 3])
def test_ssim_equals_scikit_image(rng, channels):
    images, others = pair(rng, channels=channels)
    maps = [
        structural_similarity(
            x,
            y,
            data_range=1,
            channel_axis=2,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1]
        for x, y in zip(images.astype("float64"), others.astype("float64"), strict=True)
    ]
    expected = [1 - m[5:-5, 5:-5].mean() for m in maps]
    actual = np.asarray(losses.ssim(images, others))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_identical_images_cost_nothing_and_others_something(rng, name):
    side = 176 if name == "mssim" else 16
    images, others = pair(rng, side)
    loss = losses.LOSSES[name]
    same = np.asarray(loss(images, images))
    assert same.shape == (3,)
    np.testing.assert_allclose(same, 0, atol=1e-5)
    assert (np.asarray(loss(images, others)) > 1e-3).all()


def test_l2_by_hand():
    images = np.zeros((1, 2, 2, 1), np.float32)
    others = np.float32([[0, 1], [0.5, 0]]).reshape(1, 2, 2, 1)
    assert float(losses.l2(images, others)[0]) == pytest.approx((1 + 0.25) / 4)


def test_l2_does_not_depend_on_the_batch(rng):
    images, others = pair(rng)
    whole = np.asarray(losses.l2(images, others))
    single = [
        np.asarray(losses.l2(images[i : i + 1], others[i : i + 1])) for i in range(3)
    ]
    np.testing.assert_allclose(whole, np.concatenate(single), rtol=1e-6)


def test_mssim_combines_the_scales_of_scikit_image(rng):
    """The single-scale terms, multiplied with their exponents, give the loss."""
    images, others = pair(rng, 176)
    x, y = images[..., 0].astype("float64"), others[..., 0].astype("float64")
    total = np.zeros(3)
    for scale, weight in enumerate(losses.SCALE_WEIGHTS):
        if scale > 0:
            x, y = (
                a.reshape(3, a.shape[1] // 2, 2, -1, 2).mean((2, 4)) for a in (x, y)
            )
        for i in range(3):
            options = {"gaussian_weights": True, "sigma": 1.5, "full": True}
            options |= {"use_sample_covariance": False, "data_range": 1}
            # With K1 huge the luminance term is 1 and contrast-structure remains.
            k1 = 0.01 if scale == 4 else 1e6
            full = structural_similarity(x[i], y[i], K1=k1, **options)[1]
            total[i] += weight * np.log(full[5:-5, 5:-5].mean())
    actual = np.asarray(losses.mssim(images, others))
    np.testing.assert_allclose(actual, 1 - np.exp(total), atol=1e-4)


@pytest.mark.parametrize("name", ["ssim", "mssim"])
@pytest.mark.parametrize("kind", ["inverse", "constant", "equal", "black"])
def test_value_and_gradient_are_finite(rng, name, kind):
    images = rng.random((1, 176, 176, 1), np.float32)
    others = {
        "inverse": 1 - images,
        "constant": np.full_like(images, 0.5),
        "equal": images,
        "black": np.zeros_like(images),
    }[kind]
    loss = losses.LOSSES[name]
    assert np.isfinite(np.asarray(loss(images, others))).all()
    assert np.isfinite(one_step(loss, images, others)).all()


def test_smallest_side_is_in_the_message():
    with pytest.raises(ValueError, match="mssim .*at least 176 .*160x256"):
        losses.check_sides("mssim", (160, 256, 1))
    losses.check_sides("mssim", (176, 176, 1))
