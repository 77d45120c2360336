import keras
import numpy as np
import pytest
from keras import layers
from scipy.spatial import distance

from methods.diffusion.feature_distance import (
    Adapter,
    FeatureDistance,
    adaptation_losses,
    chosen_levels,
    cosine_distance,
    extractor,
    halves,
    prepared,
    run_adaptation,
)


def network(side=16):
    """Return three levels of strides 1, 2 and 4, one with batch normalisation."""
    images = keras.Input((side, side, 3))
    x = layers.Conv2D(4, 3, padding="same", name="a")(images)
    first = layers.BatchNormalization(name="norm")(x)
    second = layers.Conv2D(5, 3, 2, "same", activation="relu", name="b")(first)
    third = layers.Conv2D(6, 3, 2, "same", activation="relu", name="c")(second)
    return keras.Model(images, [first, second, third])


def test_levels_of_the_originals_strides():
    assert chosen_levels("wide_resnet50_2") == ["layer1", "layer2", "layer3"]
    assert chosen_levels("efficientnet_lite0") == ["stage2", "stage3", "stage5"]
    assert chosen_levels("dinov2_small") == ["block3", "block6", "block9"]


@pytest.mark.parametrize(
    ("backbone", "shape", "sides"),
    [
        ("efficientnet_lite0", (64, 64, 3), (256, 256)),
        ("efficientnet_lite0", (64, 128, 3), (256, 512)),
        ("efficientnet_lite0", (300, 300, 1), (304, 304)),
    ],
)
def test_extractors_see_images_of_their_size(backbone, shape, sides):
    assert extractor(backbone, shape).input_shape[1:] == (*sides, 3)


def test_images_are_enlarged_and_become_rgb(rng):
    images = rng.random((2, 8, 8, 1), "float32")
    made = np.asarray(prepared(keras.ops.convert_to_tensor(images), network(16)))
    assert made.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(made[..., 0], made[..., 2])
    assert made.mean() == pytest.approx(images.mean(), abs=0.05)


def test_cosine_distance_is_scipys(rng):
    x, y = rng.standard_normal((2, 5))
    expected = distance.cosine(x, y)
    assert float(cosine_distance(x, y)) == pytest.approx(expected, abs=1e-6)
    assert float(cosine_distance(x, 3 * x)) == pytest.approx(0, abs=1e-6)
    assert float(cosine_distance(0 * x, y)) == 1  # no direction


def test_feature_distance_is_where_the_images_differ(rng):
    images = rng.random((2, 16, 16, 3), "float32")
    changed = images.copy()
    changed[1, 2:6, 10:14] = 0
    maps = FeatureDistance(network(), (16, 16)).predict_on_batch((images, changed))
    assert maps.shape == (2, 16, 16)
    np.testing.assert_allclose(maps[0], 0, atol=1e-5)
    assert maps[1, :8, 8:].mean() > 3 * maps[1, 8:, :8].mean()


def test_adaptation_losses_by_hand():
    """One level, one vector: a, b of the adapted and d, c of the original network."""
    right, up = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    diagonal = np.array([[1.0, 1.0]])
    loss = adaptation_losses([(right, up)], [(right, diagonal)], 0.1)
    expected = 1 + 0.1 * (1 - 2**-0.5) + 0.1 * 0  # (a, b) + (b, c) + (a, d)
    assert float(loss[0]) == pytest.approx(expected, abs=1e-6)


def test_adaptation_brings_features_together_and_freezes_the_norm(rng):
    adapted, frozen = network(), network()
    frozen.set_weights(adapted.get_weights())
    targets = rng.random((4, 16, 16, 3), "float32")
    made = np.clip(targets + rng.normal(0, 0.3, targets.shape), 0, 1).astype("float32")
    before = adapted.get_layer("norm").get_weights()
    kernel = adapted.get_layer("c").get_weights()[0]
    adapter = Adapter(adapted, frozen, 0.1)
    losses = run_adaptation(adapter, lambda epoch: [(made, targets)] * 4, 3, 1e-2)
    assert losses[-1] < losses[0]
    for ours, old in zip(adapted.get_layer("norm").get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)
    assert np.abs(adapted.get_layer("c").get_weights()[0] - kernel).max() > 1e-3
    np.testing.assert_array_equal(frozen.get_layer("c").get_weights()[0], kernel)


def test_halves_give_each_image_one_role():
    images = np.arange(10, dtype="uint8")[:, None]
    pairs = list(halves(images.__getitem__, 10, 4, np.random.default_rng(0)))
    seen = np.concatenate([np.concatenate(pair) for pair in pairs]) * 255
    assert [len(part) for pair in pairs for part in pair] == [2, 2, 2, 2]
    assert len(np.unique(seen.round())) == 8
