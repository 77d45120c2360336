import numpy as np
import pytest

import methods
from methods.backbones import BACKBONES, levels
from methods.diffusion.presets import PRESETS, architecture
from methods.pipeline.training import configure

NAMES = sorted(methods.METHODS)
SMALL = {"AE": {"latent": 4}, "AnoDDPM": {"preset": "tiny"}, "DDAD": {"preset": "tiny"}}


@pytest.mark.parametrize("name", NAMES)
def test_the_default_size_of_rectangular_images_suits(name):
    """Of multiples that the network needs; the square where they are too coarse."""
    small = {key: ("", value) for key, value in SMALL.get(name, {}).items()}
    method = configure(name, small, [(1000, 400)]).method
    height, width, _ = method.image_shape
    assert (height == width) == (name in ("AnoGAN", "skipCAE"))
    side = getattr(method, "large_size", method.size)
    assert 1.6 < height / width < 3.2 or height == width == side
    assert 0.66 < height * width / side**2 < 1.5
    method.build()


@pytest.mark.parametrize("aspect", [1, 2.5, 4])
def test_default_sizes_are_multiples_for_each_preset_and_backbone(aspect):
    images = [(round(1000 * aspect), 1000)]
    size = methods.get("AnoDDPM").default_size(images, {})
    for preset in PRESETS:
        assert not np.any(np.mod(size, architecture(preset, (*size, 3)).stride))
    for backbone in BACKBONES:
        size = methods.get("PaDiM").default_size(images, {"backbone": backbone})
        assert not np.any(np.mod(size, [[x.stride] for x in levels(backbone)]))
