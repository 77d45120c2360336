import math

import numpy as np
import pytest

from methods.anogan import networks
from processing.errors import UsageError

SIDES = (32, 64, 128, 256)


def trainable(network):
    return sum(math.prod(weight.shape) for weight in network.trainable_weights)


def test_parameter_counts_of_the_seed():
    """METHODS.md 2.3, at 256x256 in RGB."""
    shape = (256, 256, 3)
    assert trainable(networks.generator(shape)) == 5_540_480
    assert trainable(networks.discriminator(shape)) == 2_769_408


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(side, channels):
    shape = (side, side, channels)
    generator = networks.generator(shape, 7, 4)
    assert generator.input_shape == (None, 7)
    assert generator.output_shape == (None, *shape)
    discriminator = networks.discriminator(shape, 4)
    assert discriminator.input_shape == (None, *shape)
    assert discriminator.output_shape == (None, 1)
    features = discriminator.get_layer(networks.FEATURES).output
    assert features.shape == (None, 4, 4, 32)
    assert networks.encoder(shape, 7, 4).output_shape == (None, 7)


def test_generated_images_are_in_range(rng):
    latents = rng.normal(0, 5, (3, 7)).astype("float32")
    images = np.asarray(networks.generator((32, 32, 3), 7, 4)(latents))
    assert 0 <= images.min() < 0.5 < images.max() <= 1


def test_feature_layers_end_at_the_features(rng):
    discriminator = networks.discriminator((32, 32, 1), 4)
    layers = networks.feature_layers(discriminator)
    assert layers[0].name == discriminator.layers[1].name
    assert layers[-1].name == networks.FEATURES


@pytest.mark.parametrize("shape", [(48, 48, 3), (64, 32, 3), (512, 512, 1)])
def test_other_sides_are_refused(shape):
    with pytest.raises(UsageError, match=f"32, 64, 128, 256 .*{shape[0]}x{shape[1]}"):
        networks.check_shape(shape)
