import numpy as np
import pytest

from methods.diffusion import process
from methods.diffusion.schedule import Schedule

SCHEDULE = Schedule()
PAIRS = [(0, -1), (1, 0), (249, 224), (999, 998), (24, -1)]


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (2, 3, 4, 1))


@pytest.fixture
def noise(rng):
    return rng.standard_normal((2, 3, 4, 1))


def rates(timestep):
    return SCHEDULE.signal_rate(timestep), SCHEDULE.noise_rate(timestep)


def test_noised_has_the_variance_of_its_timestep(rng):
    noise = rng.standard_normal(200_000)
    noisy = process.noised(0.5, noise, *rates(300))
    assert noisy.mean() == pytest.approx(0.5 * rates(300)[0], abs=0.01)
    assert noisy.std() == pytest.approx(rates(300)[1], rel=0.01)


def test_denoised_is_the_inverse_of_noised(images, noise):
    noisy = process.noised(images, noise, *rates(400))
    np.testing.assert_allclose(process.denoised(noisy, noise, *rates(400)), images)


def test_weight_0_does_not_condition(images, noise):
    noisy = process.noised(images, noise, *rates(100))
    made = process.conditioned(noise, noisy, images + 1, *rates(100), 0)
    np.testing.assert_array_equal(made, noise)


def test_a_target_that_is_reached_does_not_condition(images, noise):
    noisy = process.noised(images, noise, *rates(100))
    made = process.conditioned(noise, noisy, images, *rates(100), 5)
    np.testing.assert_allclose(made, noise, atol=1e-12)


def test_conditioning_moves_the_guess_by_a_known_share(images, noise):
    """Put into `denoised`: the guess moves by w (1 - alpha-bar) times the way."""
    target, weight = images + 0.3, 0.7
    noisy = process.noised(images, noise, *rates(100))
    made = process.conditioned(noise, noisy, target, *rates(100), weight)
    guess = process.denoised(noisy, made, *rates(100))
    share = weight * (1 - SCHEDULE.kept(100))
    np.testing.assert_allclose(guess - images, share * 0.3)


@pytest.mark.parametrize(("timestep", "following"), PAIRS)
def test_eta_1_is_the_posterior_deviation_of_ddpm(timestep, following):
    kept, kept_next = SCHEDULE.kept([timestep, following])
    deviation = process.ddim_deviation(kept, kept_next, 1.0)
    assert deviation**2 == pytest.approx(process.posterior_variance(kept, kept_next))
    assert process.ddim_deviation(kept, kept_next, 0.0) == 0


@pytest.mark.parametrize(("timestep", "following"), PAIRS)
def test_posterior_is_bayes_rule(timestep, following):
    """Multiply the densities of both steps: precisions add, means are weighted."""
    kept, kept_next = SCHEDULE.kept([timestep, following])
    alpha, clean, noisy = kept / kept_next, 0.3, 0.8
    if kept_next == 1:  # the clean image itself
        assert process.posterior_variance(kept, kept_next) == 0
        assert process.posterior_shares(kept, kept_next) == (pytest.approx(1), 0)
        return
    precisions = np.array([1 / (1 - kept_next), alpha / (1 - alpha)])
    means = np.array([np.sqrt(kept_next) * clean, noisy / np.sqrt(alpha)])
    variance = 1 / precisions.sum()
    assert process.posterior_variance(kept, kept_next) == pytest.approx(variance)
    of_clean, of_noisy = process.posterior_shares(kept, kept_next)
    mean = variance * (precisions * means).sum()
    assert of_clean * clean + of_noisy * noisy == pytest.approx(mean)


@pytest.mark.parametrize("eta", [0, 0.5, 1])
def test_ddim_keeps_the_variance_of_the_next_timestep(eta):
    kept, kept_next = SCHEDULE.kept([249, 224])
    sigma = process.ddim_deviation(kept, kept_next, eta)
    of_clean, of_noise = process.ddim_shares(kept_next, sigma)
    assert of_clean**2 == pytest.approx(kept_next)
    assert of_noise**2 + sigma**2 == pytest.approx(1 - kept_next)


def test_ddim_with_eta_1_is_ddpm(images, noise):
    kept, kept_next = SCHEDULE.kept([249, 224])
    noisy = process.noised(images, noise, *rates(249))
    sigma = process.ddim_deviation(kept, kept_next, 1.0)
    of_clean, of_noise = process.ddim_shares(kept_next, sigma)
    ours = of_clean * images + of_noise * noise
    of_clean, of_noisy = process.posterior_shares(kept, kept_next)
    np.testing.assert_allclose(ours, of_clean * images + of_noisy * noisy, atol=1e-9)
