import math

import keras
import numpy as np
import pytest

from autoencoder.architectures import ARCHITECTURES, ShapeError

# METHODS.md: parameters at 256x256 in grey and RGB, in all and trainable.
PARAMETERS = {
    "mvtecCAE": ((746_210, 746_210), (751_332, 751_332)),
    "baselineCAE": ((712_197, 710_403), (713_359, 711_561)),
    "inceptionCAE": ((11_521_797, 11_514_627), (11_526_415, 11_519_241)),
    "resnetCAE": ((15_018_305, 15_009_985), (15_026_627, 15_018_307)),
    "AE": ((69_584_449, 69_584_193), (69_584_963, 69_584_707)),
    "skipCAE": ((2_967_041, 2_966_657), (2_968_195, 2_967_811)),
}
MULTIPLES = {
    "mvtecCAE": 32,
    "paperCAE": 16,
    "baselineCAE": 64,
    "inceptionCAE": 64,
    "resnetCAE": 32,
    "skipCAE": 256,
    "AE": 16,
}
CODE = 24  # values


@pytest.fixture(scope="module")
def hollow():
    """Return networks by name, shape and latent, with weights that hold nothing."""
    wanted = [
        (x, (256, 256, channels), None) for x in PARAMETERS for channels in (1, 3)
    ]
    wanted += [(x, (2 * side, side, 1), CODE) for x, side in MULTIPLES.items()]
    with keras.StatelessScope(initialize_variables=False):
        made = {key: ARCHITECTURES[key[0]](*key[1:]) for key in wanted}
    # Or they are made with those of the next network.
    keras.utils.clear_session(free_memory=False)
    return made


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_of_the_original(hollow, name, channels):
    network = hollow[name, (256, 256, channels), None]
    trainable = sum(math.prod(w.shape) for w in network.trainable_weights)
    counts = (network.count_params(), trainable)
    assert counts == PARAMETERS[name][channels == 3]


@pytest.mark.parametrize("name", ["mvtecCAE", "baselineCAE"])
def test_default_code_has_64_values(hollow, name):
    network = hollow[name, (256, 256, 1), None]
    assert math.prod(network.get_layer("code").output.shape[1:]) == 64


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_maps_images_to_images(name, rng):
    side = MULTIPLES[name]
    network = ARCHITECTURES[name]((side, 2 * side, 3))
    images = rng.random((2, side, 2 * side, 3), np.float32)
    reconstructions = np.asarray(network(images))
    assert reconstructions.shape == images.shape
    assert reconstructions.dtype == np.float32
    if name != "AE":  # its output is linear
        assert 0 <= reconstructions.min() <= reconstructions.max() <= 1


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_wrong_side_names_the_multiple(name):
    side = MULTIPLES[name]
    with pytest.raises(ShapeError, match=f"multiples of {side} .*{side + 1}x{side}"):
        ARCHITECTURES[name]((side + 1, side, 1))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_latent_sets_the_size_of_the_code(hollow, name):
    side = MULTIPLES[name]
    network = hollow[name, (2 * side, side, 1), CODE]
    assert math.prod(network.get_layer("code").output.shape[1:]) == CODE


@pytest.mark.parametrize("side", [128, 256])
def test_paper_network_has_an_8x8_bottleneck(side):
    code = ARCHITECTURES["paperCAE"]((side, side, 1), 100).get_layer("code")
    assert code.kernel_size == (8, 8)
    assert code.output.shape == (None, 1, 1, 100)


def test_uneven_latent_is_refused():
    with pytest.raises(ShapeError, match="multiple of 4 .*Received: 6"):
        ARCHITECTURES["mvtecCAE"]((64, 64, 1), 6)


def test_output_stays_float32_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = ARCHITECTURES["mvtecCAE"]((32, 32, 1))
    finally:
        keras.config.set_dtype_policy("float32")
    assert network.output.dtype == "float32"
    assert network.layers[1].compute_dtype == "bfloat16"
