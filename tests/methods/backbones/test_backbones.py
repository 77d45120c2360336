import subprocess
import sys

import numpy as np
import pytest

from methods.backbones import BACKBONES, build, levels, load_weights
from processing.errors import UsageError

SHAPE = (64, 32, 3)


def test_importing_names_does_not_import_keras():
    code = "import methods.backbones, sys; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", BACKBONES)
def test_maps_have_the_channels_and_strides_promised(name, rng):
    names = [level.name for level in levels(name)]
    model = build(name, SHAPE, names)
    maps = model.predict_on_batch(rng.random((2, *SHAPE), np.float32))
    assert [m.shape for m in maps] == [
        (2, SHAPE[0] // level.stride, SHAPE[1] // level.stride, level.channels)
        for level in levels(name)
    ]
    assert all(np.isfinite(m).all() for m in maps)
    assert model.count_params() == BACKBONES[name].parameters


@pytest.mark.parametrize("name", BACKBONES)
def test_it_stops_at_the_deepest_level_asked_for(name):
    first, second = [level.name for level in levels(name)][:2]
    shallow = build(name, SHAPE, [first]).count_params()
    both = build(name, SHAPE, [second, first])
    assert shallow < both.count_params() < BACKBONES[name].parameters
    assert [m.shape[-1] for m in both.outputs] == [
        level.channels for level in reversed(levels(name)[:2])
    ]


def test_wrong_names_and_shapes():
    with pytest.raises(UsageError, match="unknown backbone 'lite'"):
        levels("lite")
    with pytest.raises(UsageError, match="has the levels stage1,.* Received: layer1"):
        build("efficientnet_lite0", SHAPE, ["layer1"])
    with pytest.raises(UsageError, match="multiples of 8. Received: 60x32"):
        build("efficientnet_lite0", (60, 32, 3), ["stage1", "stage3"])
    with pytest.raises(UsageError, match="RGB images. Received: 1 "):
        build("efficientnet_lite0", (64, 32, 1), ["stage1"])


def test_weights_of_the_package_are_those_of_imagenet():
    model = build("efficientnet_lite0", SHAPE, ["stage1"])
    digest = load_weights(model, "efficientnet_lite0", "imagenet")
    assert digest.startswith("579344248a93e230")
