from functools import cache

import keras
import numpy as np
import pytest
from keras import ops

from methods.diffusion.presets import PRESETS, architecture
from methods.diffusion.unet import Architecture, Sinusoids, SpatialAttention, unet
from methods.engine.training import dtype_policy
from processing.errors import UsageError

TINY = Architecture(8, (1, 2), attention=(8,), heads=2, blocks=1, groups=2)


@cache
def hollow(preset, channels):
    """Return the network of a preset at 256 pixels, with weights that hold nothing."""
    shape = (256, 256, channels)
    with keras.StatelessScope(initialize_variables=False):
        network = unet(shape, architecture(preset, shape))
    # Or they are made with those of the next network.
    keras.utils.clear_session(free_memory=False)
    return network


@pytest.mark.parametrize(
    ("preset", "channels", "parameters"),
    [
        ("ddad", 3, 32_952_707),
        ("ddad-s", 3, 8_257_731),
        ("anoddpm", 1, 131_649_793),
        pytest.param("anoddpm", 3, 131_654_403, marks=pytest.mark.nightly),
    ],
)
def test_parameters_are_those_of_the_originals(preset, channels, parameters):
    assert hollow(preset, channels).count_params() == parameters


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("side", [32, 64, 128])
def test_every_preset_suits_usual_sizes(preset, side):
    assert side % architecture(preset, (side, side, 3)).stride == 0


def test_unknown_preset():
    with pytest.raises(UsageError, match="'big': expected one of anoddpm, ddad"):
        architecture("big", (64, 64, 3))


@pytest.mark.parametrize("patch", [1, 2])
def test_a_new_network_predicts_no_noise_at_any_shape(patch, rng):
    small = Architecture(8, (1, 2), attention=(8,), heads=2, blocks=1, patch=patch)
    network = unet((16, 8, 3), small)
    made = network([rng.random((2, 16, 8, 3), "float32"), np.array([0.0, 999.0])])
    assert made.shape == (2, 16, 8, 3)
    assert not np.asarray(made).any()


def test_output_is_float32_in_mixed_precision(rng):
    with dtype_policy("mixed_bfloat16"):
        network = unet((8, 8, 1), TINY)
    made = network([rng.random((1, 8, 8, 1), "float32"), np.array([3.0])])
    assert keras.backend.standardize_dtype(made.dtype) == "float32"
    assert network.get_layer("time").compute_dtype == "float32"


def test_attention_where_asked():
    def sides(attention):
        network = unet((32, 16, 1), Architecture(8, (1, 2, 2), attention, 2, blocks=1))
        layers = [x for x in network.layers if isinstance(x, SpatialAttention)]
        return sorted(x.output.shape[2] for x in layers)

    assert sides(()) == [4]  # the middle
    assert sides((8,)) == [4, 8, 8, 8]  # one block down, two up


def test_patches_are_put_back_as_squares():
    network = unet((8, 8, 1), Architecture(8, (1,), (), 2, blocks=1, patch=2))
    last = network.get_layer("last")
    last.bias.assign([0.0, 1.0, 2.0, 3.0])
    made = np.asarray(network([np.zeros((1, 8, 8, 1), "float32"), np.zeros(1)]))
    square = np.array([[0, 1], [2, 3]])
    np.testing.assert_array_equal(made[0, :, :, 0], np.tile(square, (4, 4)))


def test_sides_have_to_be_multiples():
    with pytest.raises(UsageError, match="multiples of 2. Received: 8x9"):
        unet((8, 9, 1), TINY)


def test_sinusoids():
    made = np.asarray(Sinusoids(4)(np.array([0.0, 250.0], "float32")))
    angles = 250 * np.array([1, 10_000**-0.5])
    np.testing.assert_allclose(made[0], [0, 0, 1, 1], atol=1e-6)
    expected = [*np.sin(angles), *np.cos(angles)]
    np.testing.assert_allclose(made[1], expected, atol=1e-4)


def test_attention_equals_keras_own(rng):
    """`ops.dot_product_attention` as the second source."""
    heads, size = 2, 3
    qkv = rng.standard_normal((2, 4, 5, 3 * heads * size)).astype("float32")
    parts = np.split(qkv.reshape(2, 20, 3 * heads, size), 3, axis=2)
    expected = ops.dot_product_attention(*parts)  # (n, positions, heads, size)
    made = SpatialAttention(heads)(qkv)
    np.testing.assert_allclose(
        made, np.reshape(expected, (2, 4, 5, heads * size)), atol=1e-5
    )


@pytest.mark.parametrize("preset", ["ddad-s", "small", "tiny"])
def test_normalisation_leaves_the_time_in(preset):
    """In groups of several channels; alone, a channel loses what is added to it."""
    network = hollow(preset, 3)
    norms = [
        x for x in network.layers if isinstance(x, keras.layers.GroupNormalization)
    ]
    assert all(x.input.shape[-1] >= 4 * x.groups for x in norms)


def test_the_time_matters_once_trained(rng):
    network = unet((8, 8, 1), TINY)
    for weight in network.trainable_weights:
        if not np.asarray(weight).any():
            weight.assign(rng.normal(0, 0.1, weight.shape))
    images = np.repeat(rng.random((1, 8, 8, 1), "float32"), 2, axis=0)
    made = np.asarray(network([images, np.array([5.0, 500.0])]))
    assert np.abs(made[0] - made[1]).max() > 1e-3
