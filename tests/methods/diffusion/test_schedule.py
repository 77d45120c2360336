import math

import numpy as np
import pytest

from methods.diffusion.schedule import (
    Schedule,
    cosine_betas,
    linear_betas,
    reverse_timesteps,
)


def test_linear_betas_are_those_of_ddpm():
    betas = linear_betas()
    assert betas[0] == 1e-4
    assert betas[-1] == 0.02
    assert betas.sum() == pytest.approx(1000 * (1e-4 + 0.02) / 2)


def test_fewer_linear_steps_leave_as_little_of_the_image():
    left = [Schedule("linear", steps).kept(steps - 1) for steps in (1000, 500)]
    assert np.log(left[1]) == pytest.approx(np.log(left[0]), rel=0.05)


def test_cosine_schedule_keeps_what_its_formula_says():
    """Nichol and Dhariwal 2021, eq. 17."""
    time = np.arange(1, 991) / 1000
    curve = np.cos((np.append(0, time) + 0.008) / 1.008 * math.pi / 2) ** 2
    kept = Schedule("cosine").kept(np.arange(990))
    np.testing.assert_allclose(kept, curve[1:] / curve[0], rtol=1e-9)
    assert cosine_betas().max() == 0.999


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_rates_begin_at_the_image_and_keep_the_variance(name):
    schedule, timesteps = Schedule(name), np.arange(-1, 1000)
    assert schedule.signal_rate(-1) == 1
    assert schedule.noise_rate(-1) == 0
    squares = schedule.signal_rate(timesteps) ** 2 + schedule.noise_rate(timesteps) ** 2
    np.testing.assert_allclose(squares, 1)
    assert (np.diff(schedule.kept(timesteps)) < 0).all()
    assert schedule.kept(999) < 1e-4


def test_reverse_timesteps_begin_where_the_image_was_noised_to():
    """QUIRKS B8: the original noised to 250 and began at 225."""
    timesteps = reverse_timesteps(250, 10)
    assert timesteps.tolist() == [*range(249, 0, -25), -1]
    assert reverse_timesteps(5, 5).tolist() == [4, 3, 2, 1, 0, -1]
    assert reverse_timesteps(1000, 3).tolist() == [999, 666, 332, -1]
    with pytest.raises(ValueError, match="steps=6, start=5"):
        reverse_timesteps(5, 6)
