import keras
import numpy as np
import pytest
from keras import ops

from methods.diffusion.process import noised
from methods.diffusion.sampler import Sampler, ddim_plan, ddpm_plan
from methods.diffusion.schedule import Schedule, reverse_timesteps

SCHEDULE = Schedule()
SHAPE = (4, 6, 1)


class Oracle(keras.Model):
    """Knows the clean images, and so the noise at every timestep.

    `seen` is the noise level that images had when it was last asked.
    """

    def __init__(self, clean):
        super().__init__()
        self.clean = clean
        timesteps = np.arange(SCHEDULE.steps)
        self.signal = SCHEDULE.signal_rate(timesteps).astype("float32")
        self.rate = SCHEDULE.noise_rate(timesteps).astype("float32")

    def call(self, inputs, training=False):
        noisy, timesteps = inputs
        index = ops.cast(timesteps, "int32")
        signal, rate = (
            ops.take(ops.convert_to_tensor(x), index)[:, None, None, None]
            for x in (self.signal, self.rate)
        )
        return (noisy - signal * self.clean) / rate


@pytest.fixture
def clean(rng):
    return rng.uniform(-1, 1, (2, *SHAPE)).astype("float32")


def reverse(network, plan, images, targets=None, start=250, clip=False):
    """Noise images to `start` and run the plan."""
    draws = np.random.default_rng(1)
    rates = SCHEDULE.signal_rate(start - 1), SCHEDULE.noise_rate(start - 1)
    noisy = noised(images, draws.standard_normal(SHAPE), *rates).astype("float32")
    fresh = draws.standard_normal((len(plan), *SHAPE)).astype("float32")
    targets = noisy if targets is None else targets
    made = Sampler(network, clip).predict_on_batch((noisy, targets, fresh, plan))
    return np.asarray(made)


@pytest.mark.parametrize("steps", [1, 10, 250])
@pytest.mark.parametrize("kind", ["ddim 0", "ddim 1", "ddpm"])
def test_a_perfect_oracle_gives_the_image_back(steps, kind, clean):
    timesteps = reverse_timesteps(250, steps)
    name, _, eta = kind.partition(" ")
    plan = (
        ddim_plan(SCHEDULE, timesteps, float(eta))
        if name == "ddim"
        else ddpm_plan(SCHEDULE, timesteps)
    )
    np.testing.assert_allclose(reverse(Oracle(clean), plan, clean), clean, atol=1e-4)


def test_first_row_has_the_noise_level_of_the_noised_image():
    plan = ddim_plan(SCHEDULE, reverse_timesteps(250, 10), 1.0)
    assert plan.shape == (10, 8)
    assert plan[0, 0] == 249
    assert plan[0, 1] == pytest.approx(SCHEDULE.signal_rate(249))
    assert plan[0, 2] == pytest.approx(SCHEDULE.noise_rate(249))


class Half(keras.Model):
    """Takes half of what it sees for noise."""

    def call(self, inputs, training=False):
        return inputs[0] / 2


def test_weight_0_is_plain_ddim(clean):
    """By the formula of Song et al. (eq. 12), one step after the other."""
    timesteps = reverse_timesteps(250, 5)
    made = reverse(Half(), ddim_plan(SCHEDULE, timesteps, 0.0), clean, clean + 1)
    x = noised(
        clean,
        np.random.default_rng(1).standard_normal(SHAPE),
        SCHEDULE.signal_rate(249),
        SCHEDULE.noise_rate(249),
    )
    for now, following in zip(timesteps[:-1], timesteps[1:], strict=True):
        kept, kept_next = SCHEDULE.kept([now, following])
        guess = (x - np.sqrt(1 - kept) * x / 2) / np.sqrt(kept)
        x = np.sqrt(kept_next) * guess + np.sqrt(1 - kept_next) * x / 2
    np.testing.assert_allclose(made, x, atol=1e-4)


def test_conditioning_leads_to_the_target(clean):
    """More weight ends nearer to the target, though the oracle knows another image."""
    timesteps, target = reverse_timesteps(250, 10), clean * 0.5
    distances = [
        np.abs(
            reverse(
                Oracle(clean), ddim_plan(SCHEDULE, timesteps, 0.0, w), clean, target
            )
            - target
        ).mean()
        for w in (0, 0.3, 0.6)
    ]
    assert distances[0] > distances[1] > distances[2]


def test_bounded_guesses(clean):
    plan = ddpm_plan(SCHEDULE, reverse_timesteps(250, 5))
    far = clean * 3
    made = reverse(Oracle(far), plan, clean, clip=True)
    np.testing.assert_allclose(made, np.clip(far, -1, 1), atol=1e-4)


def test_images_do_not_change_each_other(clean):
    plan = ddim_plan(SCHEDULE, reverse_timesteps(250, 3), 1.0, 2.0)
    together = reverse(Half(), plan, clean, clean)
    alone = [reverse(Half(), plan, clean[i : i + 1], clean[i : i + 1]) for i in (0, 1)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-6)
