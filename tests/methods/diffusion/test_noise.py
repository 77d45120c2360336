import numpy as np
import pytest

from methods.diffusion.noise import Noise
from processing.errors import UsageError


def test_gaussian():
    noise = Noise()(np.random.default_rng(0), (4, 32, 32, 3))
    assert noise.dtype == np.float32
    assert noise.std() == pytest.approx(1, rel=0.02)


def test_simplex_takes_its_settings():
    made = [
        Noise("simplex", *settings)(np.random.default_rng(0), (1, 16, 16, 1))
        for settings in ((), (32.0,), (64.0, 2), (64.0, 6, 0.5), (64.0, 6, 0.8, True))
    ]
    for other in made[1:]:
        assert not np.allclose(made[0], other)


def test_unknown_kind():
    with pytest.raises(UsageError, match="'perlin': expected one of gaussian, simplex"):
        Noise("perlin")
